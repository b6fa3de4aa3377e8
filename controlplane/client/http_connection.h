// http_connection.h: one connection to a registry: TCP, TLS over TCP, or a UNIX socket; and the heads of its messages.
// Route:  http_exchange | HttpStream::open > HttpConnection::open > send > (what reads the response)
// Thread: the event loop. Whoever awaits may cancel (terminal); then nothing but destruction is left.
// Fails:  with a sentence that holds no credentials; never throws.      Tests: tests/unit/control/http_exchange_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <optional>
#include <string>

#include "controlplane/client/http_message.h"

namespace millrace::control {

inline constexpr uint32_t kResponseHeadBytesMax = 64 * 1024;

class HttpConnection {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  explicit HttpConnection(const boost::asio::any_io_executor& executor) : socket_(executor) {}
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Connects, shakes hands and sends `request`. Empty, or what went wrong.
  boost::asio::awaitable<std::string> open(const HttpRequest& request);

  // Calls `use` with the stream to read from.
  template <typename Use>
  auto with(const Use& use) {
    return tls_ ? use(*tls_) : use(socket_);
  }
  // The server's, as PEM; empty: none.
  std::string certificate();

 private:
  boost::asio::awaitable<std::string> connect(const HttpRequest& request);
  boost::asio::awaitable<std::string> shake_hands(const HttpRequest& request);

  Socket socket_;
  std::optional<boost::asio::ssl::context> context_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
};

// What cut a response off, in words.
std::string describe_cut(const boost::system::error_code& error);

}  // namespace millrace::control
