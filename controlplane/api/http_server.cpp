#include "controlplane/api/http_server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace millrace::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using boost::system::error_code;

constexpr auto kQuietly = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kPatience{kApiSecondsMax};
constexpr char kTextType[] = "text/plain; version=0.0.4; charset=utf-8";  // the format of Prometheus

// Counts a connection for as long as it lives; shared, because coroutines may outlive serve_api by a moment.
class OpenConnection {
 public:
  explicit OpenConnection(std::shared_ptr<unsigned> count) : count_(std::move(count)) { ++*count_; }
  ~OpenConnection() { --*count_; }
  OpenConnection(const OpenConnection&) = delete;
  OpenConnection& operator=(const OpenConnection&) = delete;

 private:
  std::shared_ptr<unsigned> count_;
};

ApiReply malformed_reply(const error_code& error) {
  if (error == http::error::body_limit)
    return error_reply(413, "the request body is too large",
                       "send at most " + std::to_string(kApiBodyBytesMax) + " bytes");
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return error_reply(431, "the request header is too large",
                       "send at most " + std::to_string(kApiHeaderBytesMax) + " bytes");
  return error_reply(400, "this is not an HTTP request: " + error.message(), "send HTTP/1.1");
}

http::response<http::string_body> to_http(const ApiReply& reply, unsigned version, bool keep_alive) {
  http::response<http::string_body> response(static_cast<http::status>(reply.status), version);
  response.set(http::field::server, "millraced/" MR_VERSION);
  response.set(http::field::content_type, reply.text ? kTextType : "application/json");
  if (!reply.allow.empty()) response.set(http::field::allow, reply.allow);
  response.keep_alive(keep_alive);
  // Names come from the segment too; what is no UTF-8 must not throw.
  response.body() =
      reply.text ? *reply.text : reply.body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  response.prepare_payload();
  return response;
}

asio::awaitable<ApiReply> answer(const ApiHandler& handler, ApiRequest request) {
  try {
    co_return co_await handler(std::move(request));
  } catch (const std::exception& bug) {
    spdlog::error("a request to the API failed: {}", bug.what());
    co_return error_reply(500, "the request could not be answered", "see millraced's log");
  }
}

asio::awaitable<bool> write_reply(Stream& stream, const ApiReply& reply, unsigned version, bool keep_alive) {
  http::response<http::string_body> response = to_http(reply, version, keep_alive);
  stream.expires_after(kPatience);
  const auto [error, bytes] = co_await http::async_write(stream, response, kQuietly);
  co_return !error && keep_alive;
}

// A close right after an answer would be a reset, and lose it, while the peer's own bytes lie unread.
asio::awaitable<void> finish(Stream& stream) {
  error_code ignored;
  stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  stream.expires_after(std::chrono::seconds(1));
  char rest[4096];
  for (size_t taken = 0; taken < 2 * kApiBodyBytesMax;) {
    const auto [error, bytes] = co_await stream.async_read_some(asio::buffer(rest), kQuietly);
    if (error) co_return;
    taken += bytes;
  }
}

asio::awaitable<void> serve_connection(Stream stream, const ApiHandler& handler, std::shared_ptr<unsigned> count) {
  const OpenConnection open(count);
  if (*count > kApiConnectionMax) {
    const ApiReply full = error_reply(503, "too many connections to the API",
                                      "close some; there may be " + std::to_string(kApiConnectionMax));
    co_await write_reply(stream, full, 11, false);
    co_await finish(stream);
    co_return;
  }
  beast::flat_buffer buffer(kApiHeaderBytesMax + kApiBodyBytesMax);
  while (true) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kApiHeaderBytesMax);
    parser.body_limit(kApiBodyBytesMax);
    stream.expires_after(kPatience);
    const auto [error, bytes] = co_await http::async_read(stream, buffer, parser, kQuietly);
    if (error && error.category() != make_error_code(http::error::end_of_stream).category()) co_return;
    if (error == http::error::end_of_stream || error == http::error::partial_message) co_return;
    if (error) {
      const ApiReply refusal = malformed_reply(error);
      co_await write_reply(stream, refusal, 11, false);
      co_await finish(stream);
      co_return;
    }
    const http::request<http::string_body> request = parser.release();
    ApiRequest asked{std::string(request.method_string()), std::string(request.target()), request.body()};
    stream.expires_never();
    const ApiReply reply = co_await answer(handler, std::move(asked));
    if (!co_await write_reply(stream, reply, request.version(), request.keep_alive())) break;
  }
  co_await finish(stream);
}

}  // namespace

asio::awaitable<void> serve_api(StreamListener& listener, ApiHandler handler) {
  const auto executor = listener.acceptor().get_executor();
  const auto shared_handler = std::make_shared<const ApiHandler>(std::move(handler));
  const auto count = std::make_shared<unsigned>(0);
  asio::steady_timer pause(executor);
  while (true) {
    auto [error, socket] = co_await listener.acceptor().async_accept(kQuietly);
    if (!listener.acceptor().is_open()) co_return;
    if (error) {
      // No descriptor is left, most likely; there will be when others close.
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(kQuietly);
      continue;
    }
    asio::co_spawn(executor, serve_connection(Stream(std::move(socket)), *shared_handler, count),
                   [shared_handler](std::exception_ptr) {});
  }
}

}  // namespace millrace::control
