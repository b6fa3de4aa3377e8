// child_process.h: a command that runs beside the loop, in a process group of its own, with what it prints.
// Holds:  stdin and stderr are /dev/null, no descriptor of ours is open in it, no signal is blocked or ignored.
// Thread: the event loop; starting takes as long as a vfork and an exec.
// Bound:  kOutputBytesMax of output is kept; what comes behind is read and forgotten.
// Fails:  start() says why it could not.      Tests: tests/unit/control/health_exec_test.cpp
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::control {

inline constexpr size_t kOutputBytesMax = 4096;

class ChildProcess {
 public:
  // `command`: the program, looked for in PATH if it has no slash, and its arguments. Null: see `problem`.
  static std::shared_ptr<ChildProcess> start(const boost::asio::any_io_executor& executor,
                                             const std::vector<std::string>& command, std::string& problem);
  // Ends what still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Until the command has ended, or stop_waiting(); what it left behind in its group is killed. False: it still runs.
  static boost::asio::awaitable<bool> wait(std::shared_ptr<ChildProcess> child);
  void stop_waiting() { ended_.cancel(); }
  // Kills the whole group and sees to it that no zombie is left.
  static void kill(std::shared_ptr<ChildProcess> child);

  // When it has ended.
  bool succeeded() const;
  std::string ending() const;  // "exit status 3", "signal 11"
  const std::string& output() const { return output_; }
  bool output_cut() const { return cut_; }

 private:
  ChildProcess(const boost::asio::any_io_executor& executor, pid_t pid, int pid_descriptor, int output_descriptor);
  static boost::asio::awaitable<void> read_output(std::shared_ptr<ChildProcess> child);
  void keep(const char* bytes, size_t count);
  void drain();
  // After its end.
  void reap();

  pid_t pid_;
  bool reaped_ = false;
  int status_ = 0;
  boost::asio::posix::stream_descriptor ended_;  // a pidfd: readable when the command has ended
  boost::asio::posix::stream_descriptor output_pipe_;
  std::string output_;
  bool cut_ = false;
};

}  // namespace millrace::control
