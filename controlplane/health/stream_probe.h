// stream_probe.h: kind = "probe" with probe_protocol = "tcp" or "tls": says something and compares the answer.
// Bound:  kAnswerBytesMax of the answer.      Tests: tests/unit/control/health_probe_test.cpp
#pragma once

#include <optional>

#include "controlplane/health/probe.h"
#include "controlplane/health/tls_client.h"

namespace millrace::control {

class StreamProbe final : public Probe {
 public:
  explicit StreamProbe(const config::HealthcheckConfig& check);
  boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) override;

 private:
  config::ProbeCheck check_;
  std::optional<TlsClient> tls_;
};

}  // namespace millrace::control
