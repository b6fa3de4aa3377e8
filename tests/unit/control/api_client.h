// api_client.h: a running daemon, and requests to its real socket, byte by byte.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/unit/control/running_daemon.h"

namespace millrace::control {

// A blocking client that sends exactly the bytes it is given.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~RawClient() { close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void send(const std::string& bytes) { EXPECT_GE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), 0); }
  void end() { shutdown(fd_, SHUT_WR); }
  // What is there, or comes within 20 s; empty: the end.
  std::string receive_some() {
    char part[4096];
    const ssize_t bytes = recv(fd_, part, sizeof part, 0);
    return bytes > 0 ? std::string(part, static_cast<size_t>(bytes)) : std::string();
  }
  std::string receive_all() {
    std::string all;
    char part[4096];
    for (ssize_t bytes = 0; (bytes = recv(fd_, part, sizeof part, 0)) > 0;)
      all.append(part, static_cast<size_t>(bytes));
    return all;
  }

 private:
  int fd_;
  bool connected_ = false;
};

struct Reply {
  int status = 0;
  std::string head;
  nlohmann::json body;
};

inline Reply parse_reply(const std::string& bytes) {
  Reply reply;
  const size_t blank = bytes.find("\r\n\r\n");
  if (blank == std::string::npos || bytes.size() < 12) return reply;
  reply.head = bytes.substr(0, blank);
  reply.status = std::atoi(bytes.c_str() + 9);
  reply.body = nlohmann::json::parse(bytes.substr(blank + 4), nullptr, false);
  return reply;
}

// millraced's API over its real socket.
struct Api : testing::Test {
  RunningDaemon running;

  Reply raw(const std::string& bytes) {
    RawClient client(running.socket);
    EXPECT_TRUE(client.connected());
    client.send(bytes);
    return parse_reply(client.receive_all());
  }
  Reply ask(const std::string& method, const std::string& target, const std::string& body = "") {
    return raw(method + " " + target + " HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  Reply get(const std::string& target) { return ask("GET", target); }
  Reply post(const std::string& target, const std::string& body) { return ask("POST", target, body); }
};

}  // namespace millrace::control
