// icmp_probe.h: kind = "icmp": the backend is well when it answers an echo request.
// Bound:  one request a check.      Tests: tests/unit/control/health_icmp_test.cpp
#pragma once

#include <array>

#include "controlplane/health/echo_socket.h"
#include "controlplane/health/probe.h"

namespace millrace::control {

// The sockets of all checks, each made when the first backend of its family is asked.
class EchoSockets {
 public:
  explicit EchoSockets(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  std::shared_ptr<EchoSocket> of(Family family, boost::system::error_code& error);

 private:
  boost::asio::any_io_executor executor_;
  std::array<std::shared_ptr<EchoSocket>, 2> sockets_;  // IPv4, IPv6
};

class IcmpProbe final : public Probe {
 public:
  explicit IcmpProbe(std::shared_ptr<EchoSockets> sockets) : sockets_(std::move(sockets)) {}
  boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) override;

 private:
  std::shared_ptr<EchoSockets> sockets_;
};

}  // namespace millrace::control
