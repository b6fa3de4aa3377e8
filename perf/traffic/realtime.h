// realtime.h: real-time priority while a trial lasts, for this program and the threads of the far end that --realtime
// names, so that on a machine with other work the trial measures the far end and not the queue for a CPU. Afterwards
// the CPUs are free for as long as they were taken, at most kPauseMs. Linux interrupts whoever keeps a CPU for 0.95 s:
// trials should be shorter than that.
// Thread: one.
// Fails:  std::runtime_error when a thread is gone or the right is missing.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <vector>

namespace millrace::traffic {

class Realtime {
 public:
  // Nothing happens with an empty list.
  explicit Realtime(const std::vector<pid_t>& threads);
  ~Realtime();
  Realtime(const Realtime&) = delete;
  Realtime& operator=(const Realtime&) = delete;

 private:
  const std::vector<pid_t>& threads_;
  std::chrono::steady_clock::time_point began_;
};

}  // namespace millrace::traffic
