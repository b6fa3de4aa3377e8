#include "controlplane/health/tcp_ping.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace asio::experimental::awaitable_operators;

constexpr auto kQuietly = asio::as_tuple(asio::use_awaitable);

asio::ip::tcp::endpoint to_asio(const Endpoint& endpoint) {
  if (endpoint.addr.is_ipv4()) return {asio::ip::address_v4(endpoint.addr.ipv4().host()), endpoint.port.host()};
  return {asio::ip::address_v6(endpoint.addr.bytes), endpoint.port.host()};
}

// Errors of this host, which must not take a backend down.
bool is_local(const error_code& error) {
  namespace errc = boost::system::errc;
  return error == errc::too_many_files_open || error == errc::too_many_files_open_in_system ||
         error == errc::no_buffer_space || error == errc::not_enough_memory || error == errc::address_not_available ||
         error == errc::address_family_not_supported;
}

ProbeResult judge(const error_code& error) {
  if (!error) return {ProbeOutcome::passed, {}};
  return {is_local(error) ? ProbeOutcome::not_run : ProbeOutcome::failed, error.message()};
}

}  // namespace

asio::awaitable<ProbeResult> TcpPing::run(Endpoint endpoint, std::chrono::milliseconds timeout) {
  const auto executor = co_await asio::this_coro::executor;
  const asio::ip::tcp::endpoint target = to_asio(endpoint);
  asio::ip::tcp::socket socket(executor);
  error_code error;
  socket.open(target.protocol(), error);
  if (error) co_return judge(error);

  asio::steady_timer deadline(executor, timeout);
  const auto first = co_await (socket.async_connect(target, kQuietly) || deadline.async_wait(kQuietly));
  if (first.index() == 1)
    co_return ProbeResult{ProbeOutcome::failed, "no answer within " + std::to_string(timeout.count()) + " ms"};
  co_return judge(std::get<0>(std::get<0>(first)));
}

}  // namespace millrace::control
