#include "controlplane/log_output.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace millrace::control {
namespace {

constexpr char kTextPattern[] = "%Y-%m-%d %H:%M:%S.%e %^%l%$ millraced: %v";
constexpr char kJsonPattern[] = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","process":"millraced","message":%*})";

// The message as a JSON string with its quotes; bytes that are not UTF-8 are replaced.
class JsonMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
    const nlohmann::json text = std::string(message.payload.data(), message.payload.size());
    const std::string quoted = text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    line.append(quoted.data(), quoted.data() + quoted.size());
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

spdlog::level::level_enum spdlog_level(config::LogLevel level, bool verbose) {
  if (verbose) return spdlog::level::debug;
  switch (level) {
    case config::LogLevel::debug:
      return spdlog::level::debug;
    case config::LogLevel::info:
      return spdlog::level::info;
    case config::LogLevel::warn:
      return spdlog::level::warn;
    case config::LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void use_sink(spdlog::sink_ptr sink, spdlog::level::level_enum level, bool json) {
  auto logger = std::make_shared<spdlog::logger>("millraced", std::move(sink));
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JsonMessage>('*').set_pattern(json ? kJsonPattern : kTextPattern);
  logger->set_formatter(std::move(formatter));
  logger->set_level(level);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void log_to_stderr(bool verbose) {
  use_sink(std::make_shared<spdlog::sinks::stderr_color_sink_mt>(), spdlog_level(config::LogLevel::info, verbose),
           false);
}

bool log_as_configured(const config::LoggingConfig& wanted, bool verbose, std::string& problem) {
  spdlog::sink_ptr sink;
  if (wanted.output == "stdout") {
    sink = std::make_shared<spdlog::sinks::stdout_color_sink_mt>();
  } else if (wanted.output == "stderr") {
    sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  } else {
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(wanted.output);
    } catch (const spdlog::spdlog_ex& refused) {
      problem = "cannot write the log file of [logging] output: " + std::string(refused.what());
      return false;
    }
  }
  use_sink(std::move(sink), spdlog_level(wanted.level, verbose), wanted.json);
  return true;
}

void log_from_level(config::LogLevel level, bool verbose) {
  spdlog::default_logger()->set_level(spdlog_level(level, verbose));
}

}  // namespace millrace::control
