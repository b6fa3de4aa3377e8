#include "controlplane/health/tcp_ping.h"

#include <netinet/tcp.h>

#include <boost/asio/this_coro.hpp>

#include "controlplane/health/deadline.h"
#include "controlplane/health/probe_errors.h"
#include "controlplane/health/probe_socket.h"

namespace millrace::control {

namespace asio = boost::asio;

// Keeps the kernel from acknowledging the SYN-ACK at once (tcp(7), TCP_QUICKACK).
using QuickAck = asio::detail::socket_option::boolean<IPPROTO_TCP, TCP_QUICKACK>;

asio::awaitable<ProbeResult> TcpPing::run(Endpoint endpoint, std::chrono::milliseconds timeout) {
  const auto executor = co_await asio::this_coro::executor;
  const asio::ip::tcp::endpoint target = to_tcp(endpoint);
  asio::ip::tcp::socket socket(executor);
  boost::system::error_code error = open_probe_socket(socket, target);
  if (!error) socket.set_option(QuickAck(false), error);
  if (error) co_return failed_by(error);

  const Deadline deadline(executor, timeout, [&socket] {
    boost::system::error_code ignored;
    socket.close(ignored);
  });
  std::tie(error) = co_await socket.async_connect(target, kQuietly);
  if (deadline.passed()) co_return timed_out(timeout);
  if (error) co_return failed_by(error);
  co_return ProbeResult{ProbeOutcome::passed, "accepts connections"};
}

}  // namespace millrace::control
