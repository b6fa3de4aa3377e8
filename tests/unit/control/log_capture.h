// log_capture.h: reads what is logged, instead of whoever does otherwise.
#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>

namespace millrace::control {

// What is logged while it lives, without the time, whose digits a test could take for its own.
class LogCapture {
 public:
  LogCapture() : before_(spdlog::default_logger()) {
    const auto logger =
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_));
    logger->set_pattern("[%l] %v");
    spdlog::set_default_logger(logger);
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  std::string text() const { return text_.str(); }
  bool says(const std::string& text) const { return text_.str().find(text) != std::string::npos; }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

}  // namespace millrace::control
