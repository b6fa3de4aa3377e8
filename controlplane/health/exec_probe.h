// exec_probe.h: kind = "exec": runs a command with the backend's address and port as its last arguments.
// Bound:  kCommandsMax at once for all backends, what comes on top is not run; kOutputBytesMax of what one prints.
// Tests:  tests/unit/control/health_exec_test.cpp
#pragma once

#include "controlplane/health/probe.h"
#include "controlplane/process/child_process.h"

namespace millrace::control {

// Each is a process of this host.
inline constexpr unsigned kCommandsMax = 256;
inline constexpr size_t kOutputBytesMax = 4096;

class ExecProbe final : public Probe {
 public:
  // `running`: how many commands run at the moment, of all probes.
  ExecProbe(const config::HealthcheckConfig& check, std::shared_ptr<unsigned> running)
      : check_(check.exec), running_(std::move(running)) {}
  boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) override;

 private:
  ProbeResult judge(const ChildResult& child, std::chrono::milliseconds timeout) const;

  config::ExecCheck check_;
  std::shared_ptr<unsigned> running_;
};

}  // namespace millrace::control
