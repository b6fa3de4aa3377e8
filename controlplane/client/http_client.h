// http_client.h: one HTTP/1.1 request to a registry, over TCP or TLS, on a connection of its own.
// Route:  http_get > look_up_host > connect > (TLS handshake) > write > read > HttpResponse
// Thread: the event loop; nothing blocks. Whoever awaits has the deadline and cancels (terminal).
// Bound:  body_bytes_max, 64 KiB of headers, kRedirectMax redirects, which take no credentials to another server.
// Fails:  with a sentence that holds no credentials; never throws.      Tests: tests/unit/control/http_client_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <string>

#include "controlplane/config/url.h"

namespace millrace::control {

inline constexpr unsigned kRedirectMax = 5;

struct HttpRequest {
  config::Url url;
  std::string ca_path;  // who vouches for the server; empty: those whom the host trusts
  size_t body_bytes_max = 0;
};

struct HttpResponse {
  unsigned status = 0;
  std::string body;
  std::string location;  // of a redirect
  std::string problem;   // not empty: there is no response
};

// GET, redirects followed. A status other than 200 is a problem, too.
boost::asio::awaitable<HttpResponse> http_get(HttpRequest request);

}  // namespace millrace::control
