// zookeeper_test.cpp: ZooKeeper's messages, and servers that do not keep to them. Real ones: tests/registries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/read.hpp>

#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/zookeeper_message.h"
#include "controlplane/discovery/zookeeper_source.h"
#include "tests/unit/control/loopback_server.h"
#include "tests/unit/registries/follower.h"

namespace millrace::control {
namespace {

using Socket = LoopbackServer::Socket;
using testing::ElementsAre;
using testing::HasSubstr;

std::string number(uint64_t value, int bytes = 4) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
  return text;
}
std::string text(const std::string& value) { return number(value.size()) + value; }
std::string message(const std::string& body) { return text(body); }
std::string session(uint32_t timeout_ms) {
  return message(number(0) + number(timeout_ms) + number(1, 8) + text(std::string(16, 'p')) + std::string(1, '\0'));
}
std::string reply(uint32_t xid, const std::string& body, uint32_t error = 0) {
  return message(number(xid) + number(9, 8) + number(error) + body);
}

// The next message of a client; empty: it is gone.
std::string read_message(Socket& socket) {
  boost::system::error_code error;
  std::string length(4, '\0');
  boost::asio::read(socket, boost::asio::buffer(length), error);
  if (error) return "";
  std::string body(static_cast<uint8_t>(length[2]) * 256u + static_cast<uint8_t>(length[3]), '\0');
  boost::asio::read(socket, boost::asio::buffer(body), error);
  return body;
}

// A server that gives a session and says `then` to the first request.
std::function<void(Socket&)> says(const std::string& then, uint32_t timeout_ms = 9000) {
  return [=](Socket& socket) {
    read_message(socket);
    send_text(socket, session(timeout_ms));
    read_message(socket);
    send_text(socket, then);
    while (!read_message(socket).empty()) {
    }
  };
}

std::unique_ptr<Source> source_at(uint16_t port, const std::string& auth = "") {
  return std::make_unique<ZookeeperSource>(
      config::ZookeeperDiscovery{{"127.0.0.1:" + std::to_string(port)}, "/web", auth});
}

TEST(zookeeper_message, requests_as_the_protocol_has_them) {
  EXPECT_EQ(zookeeper_children(7, "/web"), message(number(7) + number(8) + text("/web") + "\1"));
  EXPECT_EQ(zookeeper_data(7, "/web/a"), message(number(7) + number(4) + text("/web/a") + "\1"));
  EXPECT_EQ(zookeeper_ping(), message(number(0xfffffffe) + number(11)));
  EXPECT_EQ(zookeeper_connect(9000).size(), 4u + 4 + 8 + 4 + 8 + 4 + 16 + 1);
}

TEST(zookeeper_message, parts_are_none) {
  const std::string names = number(2) + text("a") + text("bc");
  EXPECT_THAT(parse_zookeeper_children(names).value(), ElementsAre("a", "bc"));
  for (size_t bytes = 0; bytes < names.size(); ++bytes)
    EXPECT_FALSE(parse_zookeeper_children(names.substr(0, bytes))) << bytes;
  EXPECT_FALSE(parse_zookeeper_children(number(0x7fffffff) + text("a")));
  EXPECT_FALSE(parse_zookeeper_data(number(0x7fffffff) + "x"));
  EXPECT_FALSE(parse_zookeeper_data(number(0x80000000) + "x"));
  EXPECT_EQ(parse_zookeeper_data(number(0xffffffff)).value(), "") << "null";
  EXPECT_FALSE(parse_zookeeper_reply(std::string(15, '\0')));
  EXPECT_FALSE(parse_zookeeper_event(number(1) + number(3)));
}

TEST(ZookeeperSource, children_and_their_data) {
  LoopbackServer server([](Socket& socket) {
    read_message(socket);
    send_text(socket, session(9000));
    read_message(socket);
    send_text(socket, reply(1, number(2) + text("10.0.0.1:80") + text("b")));
    read_message(socket);
    read_message(socket);
    send_text(socket, reply(2, text("")) + reply(3, text("10.0.0.2:80")));
    while (!read_message(socket).empty()) {
    }
  });
  Follower follower(source_at(server.port()));
  EXPECT_TRUE(follower.finds({"10.0.0.1:80", "10.0.0.2:80"})) << follower.answers.back().problem;
}

TEST(ZookeeperSource, servers_that_do_not_keep_to_the_protocol) {
  const std::pair<std::string, const char*> cases[] = {
      {reply(9, number(0)), "it answers what was not asked"},
      {reply(1, number(3) + text("a")), "its list of children is cut short"},
      {message("abc"), "it answers what was not asked"},
      {number(0x7fffffff), "its message is too long"},
      {reply(1, "", static_cast<uint32_t>(-102)), "/web: its ACL does not let us read it"},
      {reply(1, "", static_cast<uint32_t>(-7)), "/web: error -7"},
      {reply(
           1, number(kEntryMax + 1) +
                  [] {
                    std::string names;
                    for (size_t i = 0; i <= kEntryMax; ++i) names += text(std::to_string(i));
                    return names;
                  }()),
       "/web has more than 16384 children"},
  };
  for (const auto& [said, problem] : cases) {
    LoopbackServer server(says(said));
    Follower follower(source_at(server.port()));
    EXPECT_TRUE(follower.fails(problem)) << problem << " / " << follower.answers.back().problem;
  }
}

TEST(ZookeeperSource, servers_that_give_no_session) {
  LoopbackServer refusing([](Socket& socket) {
    read_message(socket);
    send_text(socket, session(0));
  });
  EXPECT_TRUE(Follower(source_at(refusing.port())).fails("it refuses the session"));
  LoopbackServer other([](Socket& socket) { send_text(socket, "HTTP/1.1 400 Bad Request\r\n\r\n"); });
  EXPECT_TRUE(Follower(source_at(other.port())).fails("it does not speak ZooKeeper's protocol"));
  LoopbackServer gone([](Socket& socket) { read_message(socket); });
  EXPECT_TRUE(Follower(source_at(gone.port())).fails("it hangs up"));
}

TEST(ZookeeperSource, login_that_is_refused) {
  LoopbackServer server(says(reply(static_cast<uint32_t>(-4), "", static_cast<uint32_t>(-115))));
  EXPECT_TRUE(Follower(source_at(server.port(), "joe:secret")).fails("zookeeper_auth is refused"));
}

TEST(ZookeeperSource, silence_is_a_failure_in_time) {
  LoopbackServer server(says(""));
  Follower follower(source_at(server.port()), std::chrono::milliseconds(50), std::chrono::milliseconds(200));
  EXPECT_TRUE(follower.fails("no answer in time"));
  LoopbackServer short_session(says("", 150));
  EXPECT_TRUE(Follower(source_at(short_session.port())).fails("silent for 100 ms"));
}

TEST(ZookeeperSource, server_that_hangs_up_is_asked_again) {
  int connections = 0;
  LoopbackServer server([&](Socket& socket) {
    ++connections;
    read_message(socket);
    send_text(socket, session(9000));
    const std::string xid = read_message(socket).substr(0, 4);
    send_text(socket, message(xid + number(9, 8) + number(0) + number(0)));
  });
  Follower follower(source_at(server.port()));
  EXPECT_TRUE(follower.until([&] { return follower.answers.size() == 2; }));
  EXPECT_EQ(connections, 2);
  EXPECT_EQ(follower.answers.back().problem, "");
}

}  // namespace
}  // namespace millrace::control
