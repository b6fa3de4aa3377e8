#include "perf/traffic/realtime.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

namespace millrace::traffic {
namespace {

constexpr int kPriority = 10;
constexpr std::chrono::milliseconds kPauseMs{500};

int set_policy(pid_t thread, int policy, int priority) {
  const sched_param param{.sched_priority = priority};
  return sched_setscheduler(thread, policy, &param);
}

}  // namespace

Realtime::Realtime(const std::vector<pid_t>& threads) : threads_(threads), began_(std::chrono::steady_clock::now()) {
  for (const pid_t thread : threads_)
    if (set_policy(thread, SCHED_FIFO, kPriority) != 0)
      throw std::runtime_error("--realtime: thread " + std::to_string(thread) + ": " + std::strerror(errno));
  if (!threads_.empty()) set_policy(0, SCHED_FIFO, kPriority);
}

Realtime::~Realtime() {
  if (threads_.empty()) return;
  set_policy(0, SCHED_OTHER, 0);
  for (const pid_t thread : threads_) set_policy(thread, SCHED_OTHER, 0);
  std::this_thread::sleep_for(
      std::min<std::chrono::steady_clock::duration>(kPauseMs, std::chrono::steady_clock::now() - began_));
}

}  // namespace millrace::traffic
