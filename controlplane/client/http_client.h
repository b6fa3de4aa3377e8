// http_client.h: one HTTP/1.1 request to a registry, over TCP, TLS or a UNIX socket, on a connection of its own.
// Route:  http_get > http_exchange > HttpConnection::open > read > HttpResponse
// Thread: the event loop; nothing blocks. Whoever awaits has the deadline and cancels (terminal).
// Bound:  body_bytes_max, 64 KiB of headers, kRedirectMax redirects, which take no credentials to another server.
// Fails:  with a sentence that holds no credentials; never throws.
// Tests:  tests/unit/control/http_client_test.cpp, tests/unit/control/http_exchange_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "controlplane/client/http_message.h"

namespace millrace::control {

inline constexpr unsigned kRedirectMax = 5;

// As it is answered, whatever the status.
boost::asio::awaitable<HttpResponse> http_exchange(const HttpRequest& request);

// The same; no response by `deadline` is a problem, too.
boost::asio::awaitable<HttpResponse> exchange_until(const HttpRequest& request,
                                                    std::chrono::steady_clock::time_point deadline);

// GET, redirects followed. A status other than 200 is a problem, too.
boost::asio::awaitable<HttpResponse> http_get(HttpRequest request);

// The certificate that an https server shows, as PEM, whoever vouches for it. Empty: `problem` says why.
boost::asio::awaitable<std::string> fetch_certificate(HttpRequest request, std::string& problem);

}  // namespace millrace::control
