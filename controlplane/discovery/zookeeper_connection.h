// zookeeper_connection.h: a session with one server of ZooKeeper, kept alive while somebody awaits its messages.
// Route:  ZookeeperSource > open > send > next, again and again
// Thread: the event loop. Whoever awaits open() or send() may cancel (terminal); then nothing but destruction is left.
//         next() has a deadline of its own and loses nothing.
// Bound:  kAnswerBytesMax a message.
// Holds:  a session ends with its connection. It holds nothing at the server but watches, so there is none to take up again.
// Fails:  with a sentence that names the server; never throws.      Tests: tests/smoke/test_registries.py
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <optional>
#include <string>

namespace millrace::control {

class ZookeeperConnection {
 public:
  using Clock = std::chrono::steady_clock;

  // `server`: "host:port", as parse_host_port takes it.
  ZookeeperConnection(const boost::asio::any_io_executor& executor, std::string server);
  // Says goodbye, so that the server need not wait for the session to expire.
  ~ZookeeperConnection();
  ZookeeperConnection(const ZookeeperConnection&) = delete;
  ZookeeperConnection& operator=(const ZookeeperConnection&) = delete;

  // `auth`: "user:password"; empty: none. False: problem() says why.
  boost::asio::awaitable<bool> open(const std::string& auth, Clock::time_point deadline);
  boost::asio::awaitable<void> send(const std::string& messages);
  // The next message that is no answer to a ping. nullopt: none until `deadline`, or none any more: then there is a problem().
  boost::asio::awaitable<std::optional<std::string>> next(Clock::time_point deadline);

  // Empty: it stands.
  const std::string& problem() const { return problem_; }
  // It is of no use any more.
  void fail(const std::string& why);

 private:
  boost::asio::awaitable<void> connect();
  boost::asio::awaitable<void> greet(Clock::time_point deadline);
  boost::asio::awaitable<void> authenticate(const std::string& auth, Clock::time_point deadline);
  boost::asio::awaitable<void> keep_alive(Clock::time_point deadline);
  void read_some();

  std::string server_;
  boost::asio::ip::tcp::socket socket_;
  std::string received_;
  std::string problem_;
  std::chrono::milliseconds session_timeout_;
  Clock::time_point heard_at_;  // the server
  Clock::time_point pinged_at_;
  bool greeted_ = false;
};

}  // namespace millrace::control
