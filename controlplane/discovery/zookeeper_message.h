// zookeeper_message.h: the few messages of ZooKeeper's client protocol that reading and watching nodes takes: each a
// length and its body, numbers big-endian, as zookeeper.jute of ZooKeeper 3 names them.
// Thread: any; pure.
// Bound:  kAnswerBytesMax a message from the server, kEntryMax names in a list; nothing is read behind a message.
// Fails:  nullopt for what is no whole message.
// Tests:  tests/unit/control/zookeeper_test.cpp, tests/fuzz/discovery_fuzz.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::control {

// Requests, whole. `xid` is positive, and comes back with the reply. With the reply a watch is set that tells once.
std::string zookeeper_connect(uint32_t session_timeout_ms);
std::string zookeeper_auth(std::string_view digest);                   // "user:password"
std::string zookeeper_exists(int32_t xid, const std::string& path);    // the node comes
std::string zookeeper_children(int32_t xid, const std::string& path);  // a child comes or goes, the node goes
std::string zookeeper_data(int32_t xid, const std::string& path);      // the data change, the node goes
std::string zookeeper_ping();
std::string zookeeper_close();

// Of the first message of a server.
struct ZookeeperSession {
  int32_t timeout_ms = 0;  // the server's, however long was asked for; 0 or less: there is no session
};
std::optional<ZookeeperSession> parse_zookeeper_session(std::string_view body);

inline constexpr int32_t kZookeeperEventXid = -1;
inline constexpr int32_t kZookeeperPingXid = -2;
inline constexpr int32_t kZookeeperAuthXid = -4;

enum class ZookeeperError : int32_t { none = 0, no_node = -101, no_auth = -102, auth_failed = -115 };

// Of every other one.
struct ZookeeperReply {
  int32_t xid = 0;
  ZookeeperError error{};  // perhaps one without a name here
  std::string_view body;   // of the request's own kind; points into the message
};
std::optional<ZookeeperReply> parse_zookeeper_reply(std::string_view body);

std::optional<std::vector<std::string>> parse_zookeeper_children(std::string_view body);
std::optional<std::string> parse_zookeeper_data(std::string_view body);
// The path whose watch has told; empty: of the session.
std::optional<std::string> parse_zookeeper_event(std::string_view body);

// As a sentence's end: "it is not there".
std::string describe(ZookeeperError error);

// Takes the first whole message off `buffer`. nullopt: there is none yet. `too_long`: there will never be one.
std::optional<std::string> take_zookeeper_message(std::string& buffer, bool& too_long);

}  // namespace millrace::control
