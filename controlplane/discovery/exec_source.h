// exec_source.h: kind = "exec": a program prints lines, a backend each. Its exit status 0 makes them an answer.
// Tests:  tests/unit/control/sources_test.cpp
#pragma once

#include "controlplane/discovery/source.h"

namespace millrace::control {

class ExecSource final : public Source {
 public:
  explicit ExecSource(config::ExecDiscovery config) : config_(std::move(config)) {}
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;

 private:
  config::ExecDiscovery config_;
};

}  // namespace millrace::control
