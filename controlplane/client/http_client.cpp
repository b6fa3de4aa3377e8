#include "controlplane/client/http_client.h"

#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <utility>

#include "controlplane/client/http_connection.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using namespace asio::experimental::awaitable_operators;
using config::Url;

HttpResponse failed(const HttpRequest& request, const std::string& what) {
  return {.problem = request.shown() + ": " + what};
}

std::vector<HttpField> fields_of(const http::response<http::string_body>& message) {
  std::vector<HttpField> fields;
  for (const auto& field : message) fields.push_back({std::string(field.name_string()), std::string(field.value())});
  return fields;
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// False: there is nowhere to go. What is meant for this server alone does not go to another one.
bool follow(const std::string& location, HttpRequest& request) {
  Url& url = request.url;
  if (location.starts_with('/') && !location.starts_with("//")) {
    url.target = location;
    return true;
  }
  config::Parsed<Url> next = config::parse_url(location);
  if (!next.value || !request.unix_path.empty() || (url.tls && !next.value->tls)) return false;
  const bool same_server = next.value->host == url.host && next.value->port == url.port && next.value->tls == url.tls;
  if (same_server && next.value->credentials.empty()) next.value->credentials = url.credentials;
  if (!same_server) request.fields.clear();
  url = *next.value;
  return true;
}

}  // namespace

asio::awaitable<HttpResponse> http_exchange(const HttpRequest& request) {
  HttpConnection connection(co_await asio::this_coro::executor);
  if (const std::string problem = co_await connection.open(request); !problem.empty())
    co_return failed(request, problem);
  http::response_parser<http::string_body> parser;
  parser.body_limit(request.body_bytes_max);
  parser.header_limit(kResponseHeadBytesMax);
  if (request.method == "HEAD") parser.skip(true);
  boost::beast::flat_buffer buffer;
  const auto [error, taken] =
      co_await connection.with([&](auto& stream) { return http::async_read(stream, buffer, parser, kQuietly); });
  if (error) co_return failed(request, describe_cut(error));
  http::response<http::string_body> message = parser.release();
  HttpResponse response{.status = message.result_int(), .fields = fields_of(message)};
  response.body = std::move(message.body());
  co_return response;
}

asio::awaitable<HttpResponse> exchange_until(const HttpRequest& request,
                                             std::chrono::steady_clock::time_point deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  auto first = co_await (http_exchange(request) || timer.async_wait(kQuietly));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  co_return failed(request, "no answer in time");
}

asio::awaitable<HttpResponse> http_get(HttpRequest request) {
  for (unsigned redirects = 0;; ++redirects) {
    HttpResponse response = co_await http_exchange(request);
    if (!response.problem.empty() || response.status == 200) co_return response;
    const std::string asked = request.shown();
    const std::string location(response.field("location"));
    if (!is_redirect(response.status) || redirects == kRedirectMax || !follow(location, request)) {
      response.problem = fmt::format("{}: it answers with status {}", asked, response.status);
      co_return response;
    }
  }
}

asio::awaitable<std::string> fetch_certificate(HttpRequest request, std::string& problem) {
  request.tls.skip_verify = true;
  request.tls.pin_path.clear();
  HttpConnection connection(co_await asio::this_coro::executor);
  problem = co_await connection.open(request);
  if (problem.empty()) co_return connection.certificate();
  problem = request.shown() + ": " + problem;
  co_return "";
}

}  // namespace millrace::control
