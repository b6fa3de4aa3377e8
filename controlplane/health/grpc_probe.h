// grpc_probe.h: kind = "grpc": the backend is well when grpc.health.v1.Health/Check says SERVING. HTTP/2, by prior
// knowledge (RFC 9113 section 3.3) or by TLS.
// Bound:  that of GrpcCall.      Tests: tests/unit/control/health_grpc_test.cpp
#pragma once

#include <optional>

#include "controlplane/health/probe.h"
#include "controlplane/health/tls_client.h"

namespace millrace::control {

class GrpcProbe final : public Probe {
 public:
  explicit GrpcProbe(const config::HealthcheckConfig& check);
  boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) override;

 private:
  std::string service_;
  std::string authority_;  // empty: the backend's address and port
  std::optional<TlsClient> tls_;
};

}  // namespace millrace::control
