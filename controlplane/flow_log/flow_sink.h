// flow_sink.h: where the lines of the flow log go: standard output, a file or syslog, written by a thread of its own, so that
// a slow disk holds up nobody.
// Bound:  kFlowLinesWaiting lines; further ones push the oldest out.
// Thread: the event loop.      Tests: tests/unit/control/flow_log_test.cpp
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace spdlog {
class async_logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace millrace::control {

inline constexpr size_t kFlowLinesWaiting = 16'384;

class FlowSink {
 public:
  // `output`: as in [flow_log]. Null: why in `problem`.
  static std::unique_ptr<FlowSink> open(const std::string& output, std::string& problem);
  ~FlowSink() { close(); }

  void write(const std::string& line);
  // What was written reaches the file.
  void flush();
  // Lines that were pushed out, and writes that the system refused.
  uint64_t lost() const { return overrun() + refused_.load(std::memory_order_relaxed); }
  // Writes what waits; nothing may be written any more. Returns what was lost.
  uint64_t close();

 private:
  FlowSink() = default;
  uint64_t overrun() const;

  uint64_t pushed_out_ = 0;  // when it was closed
  std::atomic<uint64_t> refused_{0};
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

}  // namespace millrace::control
