#include "controlplane/health/icmp_probe.h"

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>

#include "controlplane/health/probe_errors.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// Its place in the socket's list, for as long as it waits.
class SentEcho {
 public:
  SentEcho(EchoSocket& socket, Echo& echo, boost::system::error_code& error)
      : socket_(socket), number_(socket.send(echo, error)) {}
  ~SentEcho() {
    if (number_) socket_.forget(*number_);
  }
  SentEcho(const SentEcho&) = delete;
  SentEcho& operator=(const SentEcho&) = delete;

 private:
  EchoSocket& socket_;
  std::optional<uint16_t> number_;
};

}  // namespace

std::shared_ptr<EchoSocket> EchoSockets::of(Family family, boost::system::error_code& error) {
  std::shared_ptr<EchoSocket>& socket = sockets_[family == Family::ipv4 ? 0 : 1];
  if (!socket) socket = EchoSocket::open(executor_, family, error);
  return socket;
}

asio::awaitable<ProbeResult> IcmpProbe::run(Endpoint endpoint, std::chrono::milliseconds timeout) {
  boost::system::error_code error;
  const std::shared_ptr<EchoSocket> socket = sockets_->of(endpoint.addr.family(), error);
  if (!socket)
    co_return ProbeResult{
        ProbeOutcome::not_run,
        fmt::format("no socket for ICMP: {}; let net.ipv4.ping_group_range hold millraced's group, or "
                    "give it CAP_NET_RAW",
                    error.message())};
  asio::steady_timer waiter(co_await asio::this_coro::executor, timeout);
  Echo echo{.to = endpoint.addr, .waiter = &waiter};
  const SentEcho sent(*socket, echo, error);
  if (error) co_return failed_by(error);
  co_await waiter.async_wait(kQuietly);
  if (!echo.answered) co_return timed_out(timeout);
  co_return ProbeResult{ProbeOutcome::passed, "answered the echo request"};
}

}  // namespace millrace::control
