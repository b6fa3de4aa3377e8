// http_server.h: HTTP/1.1 over a UNIX socket or a TCP port, with TLS or without; answers are JSON, or plain text.
// Thread: the event loop.
// Bound:  kApiConnectionMax connections, kApiHeaderBytesMax of header, kApiBodyBytesMax of body, kApiSecondsMax for a
//         request to arrive (also the pause between two requests) and for an answer to be taken.
// Fails:  a bad request is answered with a status and a sentence; nothing ends the server.
// Tests:  tests/unit/control/api_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "controlplane/api/authority.h"
#include "controlplane/api/reply.h"
#include "controlplane/api/stream_listener.h"

namespace millrace::control {

inline constexpr unsigned kApiConnectionMax = 64;  // a descriptor and some 20 KiB each
inline constexpr uint32_t kApiHeaderBytesMax = 8 * 1024;
inline constexpr uint64_t kApiBodyBytesMax = 1024 * 1024;  // a server with 20,000 backends
inline constexpr unsigned kApiSecondsMax = 10;
inline constexpr unsigned kStreamSecondsMax = 3;  // for a piece of a stream to be taken, once the socket is full

using ApiHandler = std::function<boost::asio::awaitable<ApiReply>(ApiRequest)>;

// What a port has that a socket of this host has not.
struct HttpOptions {
  std::shared_ptr<const Authority> authority;        // null: everybody may do everything
  std::shared_ptr<boost::asio::ssl::context> tls{};  // null: plain
  bool cors = false;
  std::function<bool(const ApiRequest&)> writes{};  // whether a request may change something; null: unless it is a GET
};

// TLS 1.2 and 1.3 with the server's files. Null and a sentence in `problem` when they cannot be used.
std::shared_ptr<boost::asio::ssl::context> make_tls(const config::ApiConfig::Tls& files, std::string& problem);

// Accepts and serves until the listener is closed. `handler` must outlive the io_context's run.
boost::asio::awaitable<void> serve_api(StreamListener& listener, ApiHandler handler, HttpOptions options = {});

}  // namespace millrace::control
