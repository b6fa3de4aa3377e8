#include "controlplane/discovery/zookeeper_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <random>

#include "controlplane/config/error_text.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/change_pace.h"
#include "controlplane/discovery/zookeeper_message.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

using Unreadable = config::Parsed<config::BackendConfig>;

constexpr size_t kReadsAtOnce = 256;

}  // namespace

asio::awaitable<Answer> ZookeeperSource::ask(milliseconds timeout) {
  asked_at_ = Clock::now();
  const Clock::time_point deadline = asked_at_ + timeout * 9 / 10;  // early enough to say what is missing
  std::string problem;
  // Whoever is cancelled in the middle of a question has no use for replies that are on their way.
  std::unique_ptr<ZookeeperConnection> connection = std::move(connection_);
  if (!connection) connection = co_await connect(deadline, problem);
  if (!connection) co_return Answer::failed(problem);
  const bool learned = co_await learn(*connection, deadline);
  if (!connection->problem().empty()) co_return Answer::failed(connection->problem());
  connection_ = std::move(connection);
  if (!learned) co_return Answer::failed(fmt::format("{}: it is not there", config_.path));
  co_return answer();
}

// The first one by chance, so that hosts that start together do not all go to the same.
asio::awaitable<std::unique_ptr<ZookeeperConnection>> ZookeeperSource::connect(Clock::time_point deadline,
                                                                               std::string& problem) {
  if (xid_ == 0) next_server_ = std::random_device{}() % config_.servers.size();
  children_.clear();
  list_known_ = false;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  for (size_t left = config_.servers.size(); left > 0; --left) {
    const std::string& server = config_.servers[next_server_++ % config_.servers.size()];
    auto connection = std::make_unique<ZookeeperConnection>(executor, server);
    const Clock::time_point now = Clock::now();
    if (co_await connection->open(config_.auth, now + (deadline - now) / left)) co_return connection;
    problem += (problem.empty() ? "" : "; ") + connection->problem();
  }
  co_return nullptr;
}

asio::awaitable<bool> ZookeeperSource::learn(ZookeeperConnection& connection, Clock::time_point deadline) {
  const auto is_unknown = [](const auto& child) { return !child.second.known; };
  while (connection.problem().empty()) {
    if (!list_known_)
      co_await list(connection, deadline);
    else if (std::ranges::any_of(children_, is_unknown))
      co_await read_some(connection, deadline);
    else
      co_return true;
    if (missing_) co_return false;
  }
  co_return false;
}

asio::awaitable<std::string> ZookeeperSource::await_reply(ZookeeperConnection& connection, int32_t xid,
                                                          ZookeeperError& error, Clock::time_point deadline) {
  while (const std::optional<std::string> message = co_await connection.next(deadline)) {
    const std::optional<ZookeeperReply> reply = parse_zookeeper_reply(*message);
    if (reply && reply->xid == kZookeeperEventXid) {
      take_event(parse_zookeeper_event(reply->body).value_or(""));
    } else if (reply && reply->xid == xid) {
      error = reply->error;
      co_return std::string(reply->body);
    } else {
      connection.fail("it answers what was not asked");
    }
  }
  connection.fail("no answer in time");
  co_return "";
}

// Where the node is not there its coming is watched instead.
asio::awaitable<void> ZookeeperSource::list(ZookeeperConnection& connection, Clock::time_point deadline) {
  auto error = ZookeeperError::none;
  missing_ = false;
  const int32_t children_xid = next_xid();
  const std::string children = zookeeper_children(children_xid, config_.path);
  co_await connection.send(children);
  const std::string body = co_await await_reply(connection, children_xid, error, deadline);
  if (!connection.problem().empty()) co_return;
  if (error == ZookeeperError::none) co_return take_names(connection, body);
  if (error != ZookeeperError::no_node) co_return connection.fail(config_.path + ": " + describe(error));
  const int32_t exists_xid = next_xid();
  const std::string exists = zookeeper_exists(exists_xid, config_.path);
  co_await connection.send(exists);
  co_await await_reply(connection, exists_xid, error, deadline);
  missing_ = connection.problem().empty() && error == ZookeeperError::no_node;
}

void ZookeeperSource::take_names(ZookeeperConnection& connection, const std::string& body) {
  const std::optional<std::vector<std::string>> names = parse_zookeeper_children(body);
  if (!names) return connection.fail("its list of children is cut short");
  if (names->size() > kEntryMax)
    return connection.fail(fmt::format("{} has more than {} children", config_.path, kEntryMax));
  std::map<std::string, Child> children;
  for (const std::string& name : *names) {
    const auto before = children_.find(name);
    children[name] = before == children_.end() ? Child{} : before->second;
  }
  children_ = std::move(children);
  list_known_ = true;
}

// Some of those that are not known. One that has gone meanwhile is no child any more.
asio::awaitable<void> ZookeeperSource::read_some(ZookeeperConnection& connection, Clock::time_point deadline) {
  std::vector<std::pair<int32_t, std::string>> asked;
  std::string messages;
  for (const auto& [name, child] : children_) {
    if (child.known) continue;
    asked.emplace_back(next_xid(), name);
    messages += zookeeper_data(asked.back().first, config_.path + (config_.path.ends_with('/') ? "" : "/") + name);
    if (asked.size() == kReadsAtOnce) break;
  }
  co_await connection.send(messages);
  for (const auto& [xid, name] : asked) {
    auto error = ZookeeperError::none;
    const std::string body = co_await await_reply(connection, xid, error, deadline);
    if (!connection.problem().empty()) co_return;
    if (error == ZookeeperError::no_node)
      children_.erase(name);
    else if (const std::optional<std::string> data = parse_zookeeper_data(body); error == ZookeeperError::none && data)
      children_[name] = {true, parse_registered(name, *data)};
    else
      children_[name] = {true, Unreadable(describe(error), "let us read it")};
  }
}

void ZookeeperSource::take_event(const std::string& path) {
  if (path == config_.path) {
    list_known_ = false;
    return;
  }
  const auto child = children_.find(path.substr(std::min(path.rfind('/') + 1, path.size())));
  if (child != children_.end()) child->second.known = false;
}

Answer ZookeeperSource::answer() const {
  AnswerBuilder builder;
  for (const auto& [name, child] : children_)
    if (child.registered && !builder.add(*child.registered, config::quote(name))) break;
  return builder.take("nodes");
}

// A connection that is lost is a reason to ask, too; after a question that failed there is none, and the time counts.
asio::awaitable<void> ZookeeperSource::await_change(Clock::time_point deadline) {
  if (!connection_) co_return co_await Source::await_change(deadline);
  while (const std::optional<std::string> message = co_await connection_->next(deadline)) {
    const std::optional<ZookeeperReply> reply = parse_zookeeper_reply(*message);
    if (!reply || reply->xid != kZookeeperEventXid) {
      connection_->fail("it answers what was not asked");
    } else {
      take_event(parse_zookeeper_event(reply->body).value_or(""));
      break;
    }
  }
  const bool lost = !connection_->problem().empty();
  if (lost) connection_.reset();
  co_await Source::await_change(std::min(deadline, asked_at_ + (lost ? kAskAgainAfterLoss : kAskEvery)));
}

}  // namespace millrace::control
