#include "controlplane/flow_log/flow_sink.h"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>

namespace millrace::control {
namespace {

spdlog::sink_ptr make_sink(const std::string& output) {
  if (output == "stdout") return std::make_shared<spdlog::sinks::stdout_sink_mt>();
  if (output == "syslog") return std::make_shared<spdlog::sinks::syslog_sink_mt>("millrace", 0, LOG_DAEMON, false);
  return std::make_shared<spdlog::sinks::basic_file_sink_mt>(output);
}

}  // namespace

std::unique_ptr<FlowSink> FlowSink::open(const std::string& output, std::string& problem) {
  spdlog::sink_ptr sink;
  try {
    sink = make_sink(output);
  } catch (const spdlog::spdlog_ex& refused) {
    problem = "cannot write the file of [flow_log] output: " + std::string(refused.what());
    return nullptr;
  }
  sink->set_pattern("%v");
  std::unique_ptr<FlowSink> made(new FlowSink);
  made->pool_ = std::make_shared<spdlog::details::thread_pool>(kFlowLinesWaiting, 1);
  made->logger_ = std::make_shared<spdlog::async_logger>("flows", std::move(sink), made->pool_,
                                                         spdlog::async_overflow_policy::overrun_oldest);
  made->logger_->set_error_handler([counter = &made->refused_](const std::string&) { ++*counter; });
  return made;
}

void FlowSink::write(const std::string& line) { logger_->info(line); }

void FlowSink::flush() { logger_->flush(); }

uint64_t FlowSink::overrun() const { return pool_ ? pool_->overrun_counter() : pushed_out_; }

uint64_t FlowSink::close() {
  pushed_out_ = overrun();
  logger_.reset();
  pool_.reset();  // waits for its thread
  return lost();
}

}  // namespace millrace::control
