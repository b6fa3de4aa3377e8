// udp_probe.h: kind = "probe" with probe_protocol = "udp": sends a datagram and compares the one that comes back.
// Bound:  one datagram out, one in.      Tests: tests/unit/control/health_probe_test.cpp
#pragma once

#include "controlplane/health/probe.h"

namespace millrace::control {

class UdpProbe final : public Probe {
 public:
  explicit UdpProbe(const config::HealthcheckConfig& check) : check_(check.probe) {}
  boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) override;

 private:
  config::ProbeCheck check_;
};

}  // namespace millrace::control
