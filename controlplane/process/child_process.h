// child_process.h: runs a program for its output: within a time, with bounded output, and without leaving anything behind.
// Route:  ExecSource::ask | ExecProbe::run > run_child
// Thread: the event loop; nothing blocks it but the start itself (posix_spawn returns when the program is loaded).
// Bound:  ChildLimits; of what goes to stderr the first kComplaintBytesMax bytes are kept.
// Holds:  the program leads a process group of its own, which is killed when it ends or its time does; what it started
//         lives on only if it left that group. Its input is empty, its only descriptors are 0, 1 and 2.
// Tests:  tests/unit/control/child_process_test.cpp, health_exec_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace millrace::control {

struct ChildResult {
  enum class End {
    exited,           // code: its exit status
    killed,           // code: the signal, which somebody else sent
    timed_out,        // killed by us
    output_too_long,  // killed by us
    not_started,      // code: errno; the program is not there or may not be run, or this host has no room for it
  };
  End end = End::not_started;
  int code = 0;
  std::string output;  // stdout, all of it when it exited and it is not cut
  bool output_cut = false;
  std::string complaint;  // stderr up to its first line's end

  bool succeeded() const { return end == End::exited && code == 0; }
};

inline constexpr size_t kComplaintBytesMax = 256;

struct ChildLimits {
  std::chrono::milliseconds timeout{};
  size_t output_bytes_max = 0;
  bool cut_output = false;  // what comes on top is read and forgotten, instead of killing the program
};

// "exit status 3: no such host", "no end within 500 ms", "not started: No such file or directory".
std::string describe(const ChildResult& result, std::chrono::milliseconds timeout);

// `argv` has at least the program, which is looked for in PATH unless it holds a slash.
boost::asio::awaitable<ChildResult> run_child(std::vector<std::string> argv, ChildLimits limits);

}  // namespace millrace::control
