// zookeeper_source.h: kind = "zookeeper": the children of a node are backends. Each is read once and watched from then on,
// so that a change costs one message for what has changed.
// Bound:  kEntryMax children, kReadsAtOnce questions on the way.
// Tests:  tests/unit/control/zookeeper_test.cpp, tests/smoke/test_registries.py
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "controlplane/discovery/registered_backend.h"
#include "controlplane/discovery/source.h"
#include "controlplane/discovery/zookeeper_connection.h"
#include "controlplane/discovery/zookeeper_message.h"

namespace millrace::control {

class ZookeeperSource final : public Source {
 public:
  explicit ZookeeperSource(config::ZookeeperDiscovery config) : config_(std::move(config)) {}
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;
  boost::asio::awaitable<void> await_change(std::chrono::steady_clock::time_point deadline) override;

 private:
  using Clock = ZookeeperConnection::Clock;
  struct Child {
    bool known = false;  // and watched
    Registered registered;
  };

  // nullptr: `problem` says why.
  boost::asio::awaitable<std::unique_ptr<ZookeeperConnection>> connect(Clock::time_point deadline,
                                                                       std::string& problem);
  // Until everything is known. False: it is not, for the connection's problem() or because missing_.
  boost::asio::awaitable<bool> learn(ZookeeperConnection& connection, Clock::time_point deadline);
  boost::asio::awaitable<void> list(ZookeeperConnection& connection, Clock::time_point deadline);
  boost::asio::awaitable<void> read_some(ZookeeperConnection& connection, Clock::time_point deadline);
  // The body of the reply to `xid`, or its error. Events before it are taken.
  boost::asio::awaitable<std::string> await_reply(ZookeeperConnection& connection, int32_t xid, ZookeeperError& error,
                                                  Clock::time_point deadline);
  void take_names(ZookeeperConnection& connection, const std::string& body);
  void take_event(const std::string& path);
  int32_t next_xid() { return xid_ = xid_ % INT32_MAX + 1; }
  Answer answer() const;

  config::ZookeeperDiscovery config_;
  std::unique_ptr<ZookeeperConnection> connection_;  // none: the next question makes one
  // As of this connection.
  std::map<std::string, Child> children_;  // by name
  bool list_known_ = false;                // and watched
  bool missing_ = false;                   // the node itself, whose coming is watched
  int32_t xid_ = 0;
  size_t next_server_ = 0;
  Clock::time_point asked_at_{};
};

}  // namespace millrace::control
