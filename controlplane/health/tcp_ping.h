// tcp_ping.h: kind = "ping": the backend is well when it accepts a TCP connection. Goes over the kernel.
// The handshake is not completed: once the backend's SYN-ACK is here a RST goes out instead of the ACK, so that its
// application has nothing to accept.      Tests: tests/unit/control/health_test.cpp
#pragma once

#include "controlplane/health/probe.h"

namespace millrace::control {

class TcpPing final : public Probe {
 public:
  boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) override;
};

}  // namespace millrace::control
