// recorded_api.h: an HTTP server that answers each request as the test's record says, in turn; the last answer stands.
#pragma once

#include <algorithm>
#include <boost/asio/completion_condition.hpp>
#include <boost/asio/read.hpp>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/unit/control/loopback_server.h"

namespace millrace::control {

class RecordedApi {
 public:
  // Of a request: its head and body. True: it is answered, hang up.
  using Answering = std::function<void(LoopbackServer::Socket&)>;

  explicit RecordedApi(std::vector<Answering> answers) : answers_(std::move(answers)) {}

  std::string url() const { return server_.url(""); }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve(LoopbackServer::Socket& socket) {
    std::string request = read_whole(socket);
    if (request.empty()) return;
    size_t turn = 0;
    {
      const std::lock_guard lock(mutex_);
      turn = std::min(requests_.size(), answers_.size() - 1);
      requests_.push_back(std::move(request));
    }
    answers_[turn](socket);
  }

  static std::string read_whole(LoopbackServer::Socket& socket) {
    std::string text;
    boost::system::error_code error;
    const size_t head = boost::asio::read_until(socket, boost::asio::dynamic_buffer(text), "\r\n\r\n", error);
    const size_t at = text.find("Content-Length: ");
    const size_t body = at == std::string::npos ? 0 : std::stoul(text.substr(at + 16));
    while (!error && text.size() < head + body)
      boost::asio::read(socket, boost::asio::dynamic_buffer(text),
                        boost::asio::transfer_exactly(head + body - text.size()), error);
    return text;
  }

  std::vector<Answering> answers_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  LoopbackServer server_{[this](LoopbackServer::Socket& socket) { serve(socket); }};
};

inline RecordedApi::Answering says(const std::string& text) {
  return [text](LoopbackServer::Socket& socket) { send_text(socket, text); };
}

inline RecordedApi::Answering ok(const std::string& body) { return says(http_ok(body)); }

inline RecordedApi::Answering status(const std::string& line, const std::string& body) {
  return says("HTTP/1.1 " + line + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

// A watch: lines in chunks, then nothing more until the client goes, or the end.
inline RecordedApi::Answering watch(const std::vector<std::string>& lines, bool ends = false) {
  return [lines, ends](LoopbackServer::Socket& socket) {
    send_text(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const std::string& line : lines) {
      char size[32];
      std::snprintf(size, sizeof size, "%zx\r\n", line.size() + 1);
      send_text(socket, size + line + "\n\r\n");
    }
    if (ends) return void(send_text(socket, "0\r\n\r\n"));
    char byte = 0;
    boost::system::error_code error;
    while (!error) socket.read_some(boost::asio::buffer(&byte, 1), error);
  };
}

}  // namespace millrace::control
