#include "controlplane/discovery/zookeeper_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "controlplane/config/url.h"
#include "controlplane/discovery/zookeeper_message.h"
#include "controlplane/dns/resolver.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

// What is asked for; servers have a range of their own. A server that is silent for two thirds of it is given up.
constexpr milliseconds kSessionTimeout{9000};
constexpr size_t kPieceBytes = 16 * 1024;

}  // namespace

ZookeeperConnection::ZookeeperConnection(const asio::any_io_executor& executor, std::string server)
    : server_(std::move(server)), socket_(executor), session_timeout_(kSessionTimeout) {}

ZookeeperConnection::~ZookeeperConnection() {
  if (!greeted_ || !problem_.empty()) return;
  error_code ignored;
  socket_.write_some(asio::buffer(zookeeper_close()), ignored);
}

void ZookeeperConnection::fail(const std::string& why) {
  if (problem_.empty()) problem_ = server_ + ": " + why;
}

asio::awaitable<void> ZookeeperConnection::connect() {
  const config::Parsed<config::HostPort> server = config::parse_host_port(server_);
  if (!server.value) co_return fail(server.problem);
  const HostAddresses found = co_await look_up_host(server.value->host);
  if (!found.problem.empty()) co_return fail(found.problem);
  error_code error;
  for (const IpAddr& addr : found.addresses) {
    socket_.close(error);
    const tcp::endpoint endpoint(to_asio(addr), server.value->port);
    std::tie(error) = co_await socket_.async_connect(endpoint, kQuietly);
    if (error) continue;
    socket_.set_option(tcp::no_delay(true), error);
    socket_.non_blocking(true, error);
    heard_at_ = pinged_at_ = Clock::now();
    co_return;
  }
  fail(error.message());
}

asio::awaitable<void> ZookeeperConnection::greet(Clock::time_point deadline) {
  co_await send(zookeeper_connect(static_cast<uint32_t>(kSessionTimeout.count())));
  const std::optional<std::string> message = co_await next(deadline);
  if (!message) co_return fail("no answer in time");
  const std::optional<ZookeeperSession> session = parse_zookeeper_session(*message);
  if (!session) co_return fail("it does not speak ZooKeeper's protocol");
  if (session->timeout_ms <= 0) co_return fail("it refuses the session");
  session_timeout_ = milliseconds(session->timeout_ms);
  greeted_ = true;
}

asio::awaitable<void> ZookeeperConnection::authenticate(const std::string& auth, Clock::time_point deadline) {
  co_await send(zookeeper_auth(auth));
  const std::optional<std::string> message = co_await next(deadline);
  if (!message) co_return fail("no answer in time");
  const std::optional<ZookeeperReply> reply = parse_zookeeper_reply(*message);
  if (!reply || reply->xid != kZookeeperAuthXid) co_return fail("it answers what was not asked");
  if (reply->error != ZookeeperError::none) fail(describe(reply->error));
}

asio::awaitable<bool> ZookeeperConnection::open(const std::string& auth, Clock::time_point deadline) {
  asio::steady_timer timer(socket_.get_executor(), deadline);
  const auto first = co_await (connect() || timer.async_wait(kQuietly));
  if (first.index() == 1) fail("no connection in time");
  if (problem_.empty()) co_await greet(deadline);
  if (problem_.empty() && !auth.empty()) co_await authenticate(auth, deadline);
  co_return problem_.empty();
}

asio::awaitable<void> ZookeeperConnection::send(const std::string& messages) {
  const auto [error, bytes] = co_await asio::async_write(socket_, asio::buffer(messages), kQuietly);
  if (error) fail(error.message());
}

// Waits for more, at most until `deadline`. The server hears of us every third of the session's timeout.
asio::awaitable<void> ZookeeperConnection::keep_alive(Clock::time_point deadline) {
  const milliseconds third = session_timeout_ / 3;
  asio::steady_timer timer(socket_.get_executor(), std::min({deadline, pinged_at_ + third, heard_at_ + 2 * third}));
  co_await (socket_.async_wait(tcp::socket::wait_read, kQuietly) || timer.async_wait(kQuietly));
  read_some();
  const Clock::time_point now = Clock::now();
  if (now >= heard_at_ + 2 * third) fail(fmt::format("silent for {} ms", (2 * third).count()));
  if (!problem_.empty() || !greeted_ || now < pinged_at_ + third) co_return;
  pinged_at_ = now;
  co_await send(zookeeper_ping());
}

void ZookeeperConnection::read_some() {
  std::array<char, kPieceBytes> piece;
  error_code error;
  const size_t bytes = socket_.read_some(asio::buffer(piece), error);
  if (error == asio::error::would_block) return;
  if (error) return fail(error == asio::error::eof ? "it hangs up" : error.message());
  received_.append(piece.data(), bytes);
  heard_at_ = Clock::now();
}

asio::awaitable<std::optional<std::string>> ZookeeperConnection::next(Clock::time_point deadline) {
  while (problem_.empty() && Clock::now() < deadline) {
    bool too_long = false;
    std::optional<std::string> message = take_zookeeper_message(received_, too_long);
    if (too_long) fail("its message is too long, or it does not speak ZooKeeper's protocol");
    if (message) {
      const std::optional<ZookeeperReply> reply = parse_zookeeper_reply(*message);
      if (!greeted_ || !reply || reply->xid != kZookeeperPingXid) co_return message;
    } else if (problem_.empty()) {
      co_await keep_alive(deadline);
    }
  }
  co_return std::nullopt;
}

}  // namespace millrace::control
