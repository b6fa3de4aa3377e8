// http_probe.h: kinds "http" and "https": HTTP/1.1, one request on a connection of its own.
// Bound:  that of HttpAnswer.      Tests: tests/unit/control/health_http_test.cpp, health_tls_test.cpp
#pragma once

#include <optional>

#include "controlplane/health/http_answer.h"
#include "controlplane/health/probe.h"
#include "controlplane/health/tls_client.h"

namespace millrace::control {

class HttpProbe final : public Probe {
 public:
  explicit HttpProbe(const config::HealthcheckConfig& check);
  boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) override;

 private:
  std::string request(const Endpoint& endpoint) const;
  ProbeResult judge(const HttpAnswer& answer) const;

  config::HttpCheck check_;
  std::string expected_;  // "200-299 or 401", for causes
  std::optional<TlsClient> tls_;
};

}  // namespace millrace::control
