// loopback_server.h: a TCP server on a thread, which does with each connection what the test says.
#pragma once

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <string>
#include <thread>

namespace millrace::control {

class LoopbackServer {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  explicit LoopbackServer(std::function<void(Socket&)> serve) : serve_(std::move(serve)) {
    thread_ = std::thread([this] { run(); });
  }
  ~LoopbackServer() {
    stop_ = true;
    Socket last(context_);
    boost::system::error_code ignored;
    last.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::string url(const std::string& target = "/") const {
    return "http://127.0.0.1:" + std::to_string(port()) + target;
  }
  bool stopping() const { return stop_; }

 private:
  void run() {
    while (true) {
      boost::system::error_code error;
      Socket socket(context_);
      acceptor_.accept(socket, error);
      if (stop_ || error) return;
      serve_(socket);
    }
  }

  std::function<void(Socket&)> serve_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_{context_, {boost::asio::ip::address_v4::loopback(), 0}};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// The request's head.
inline std::string read_request(LoopbackServer::Socket& socket) {
  std::string head;
  boost::system::error_code error;
  boost::asio::read_until(socket, boost::asio::dynamic_buffer(head), "\r\n\r\n", error);
  return head;
}

// False: the client is gone.
inline bool send_text(LoopbackServer::Socket& socket, const std::string& text) {
  boost::system::error_code error;
  boost::asio::write(socket, boost::asio::buffer(text), error);
  return !error;
}

inline std::string http_ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace millrace::control
