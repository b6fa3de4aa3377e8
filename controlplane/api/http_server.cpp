#include "controlplane/api/http_server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <sstream>
#include <type_traits>

#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using boost::system::error_code;

constexpr std::chrono::seconds kPatience{kApiSecondsMax};
constexpr char kTextType[] = "text/plain; charset=utf-8";

ApiReply malformed_reply(const error_code& error) {
  if (error == http::error::body_limit)
    return error_reply(413, "the request body is too large",
                       "send at most " + std::to_string(kApiBodyBytesMax) + " bytes");
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return error_reply(431, "the request header is too large",
                       "send at most " + std::to_string(kApiHeaderBytesMax) + " bytes");
  return error_reply(400, "this is not an HTTP request: " + error.message(), "send HTTP/1.1");
}

// Fetch standard: what a page of any origin may do.
void allow_cors(http::response<http::string_body>& response) {
  response.set(http::field::access_control_allow_origin, "*");
  response.set(http::field::access_control_allow_methods, "GET, POST, PUT, PATCH, DELETE");
  response.set(http::field::access_control_allow_headers, "Authorization, Content-Type");
}

// Takes the reply's text.
http::response<http::string_body> to_http(ApiReply& reply, unsigned version, bool keep_alive, bool cors) {
  http::response<http::string_body> response(static_cast<http::status>(reply.status), version);
  response.set(http::field::server, "millraced/" MR_VERSION);
  response.set(http::field::content_type, reply.text ? kTextType : "application/json");
  if (!reply.allow.empty()) response.set(http::field::allow, reply.allow);
  if (reply.status == 401) response.set(http::field::www_authenticate, "Basic realm=\"millrace\"");
  if (cors) allow_cors(response);
  response.keep_alive(keep_alive);
  // Names come from the segment too; what is no UTF-8 must not throw.
  response.body() = reply.text ? std::move(*reply.text)
                               : reply.body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  response.prepare_payload();
  return response;
}

std::string stream_head(const ReplyStream& body, bool chunked, bool keep_alive, bool cors) {
  http::response<http::string_body> response(http::status::ok, 11);
  response.set(http::field::server, "millraced/" MR_VERSION);
  response.set(http::field::content_type, body.content_type());
  response.set(http::field::cache_control, "no-store");
  response.chunked(chunked);
  response.keep_alive(keep_alive);
  if (cors) allow_cors(response);
  std::ostringstream head;
  head << response.base();
  return head.str();
}

asio::awaitable<ApiReply> answer(const ApiHandler& handler, ApiRequest request) {
  try {
    co_return co_await handler(std::move(request));
  } catch (const std::exception& bug) {
    spdlog::error("a request to the API failed: {}", bug.what());
    co_return error_reply(500, "the request could not be answered", "see millraced's log");
  }
}

// One connection. `S` is the TCP or UNIX stream itself, or TLS over it.
template <typename S>
class Session {
 public:
  Session(S& stream, const ApiHandler& handler, const HttpOptions& options)
      : stream_(stream), handler_(handler), options_(options) {}

  asio::awaitable<void> serve() {
    beast::flat_buffer buffer(kApiHeaderBytesMax + kApiBodyBytesMax);
    while (true) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(kApiHeaderBytesMax);
      parser.body_limit(kApiBodyBytesMax);
      below().expires_after(kPatience);
      const auto [error, bytes] = co_await http::async_read(stream_, buffer, parser, kQuietly);
      if (error && error.category() != make_error_code(http::error::end_of_stream).category()) co_return;
      if (error == http::error::end_of_stream || error == http::error::partial_message) co_return;
      if (error) {
        const ApiReply refusal = malformed_reply(error);
        co_return co_await say_last(refusal);
      }
      http::request<http::string_body> request = parser.release();
      if (!co_await serve_one(request)) co_return co_await finish();
    }
  }
  asio::awaitable<void> say_last(ApiReply reply) {
    co_await write(reply, 11, false);
    co_await finish();
  }

 private:
  Stream& below() { return beast::get_lowest_layer(stream_); }

  // False: no other request follows.
  asio::awaitable<bool> serve_one(http::request<http::string_body>& request) {
    ApiRequest asked{std::string(request.method_string()),
                     std::string(request.target()),
                     std::move(request.body()),
                     std::string(request[http::field::authorization]),
                     std::string(request[http::field::origin]),
                     std::string(request["Last-Event-ID"])};
    below().expires_never();
    std::optional<ApiReply> reply;
    if (options_.authority) {
      const bool writes = options_.writes ? options_.writes(asked) : asked.method != "GET";
      reply = options_.authority->refuse(asked, writes);
    }
    if (!reply && options_.cors && asked.method == "OPTIONS") reply = ApiReply{204, {}, {}, ""};
    if (!reply) reply = co_await answer(handler_, std::move(asked));
    if (reply->stream && reply->stream->has_end())
      co_return co_await write_pieces(reply->stream, request.version() >= 11, request.keep_alive());
    if (reply->stream) co_return co_await stream(reply->stream);
    co_return co_await write(*reply, request.version(), request.keep_alive());
  }
  // A body with an end: in chunks (RFC 9112 7.1), so that the end can be told from a cut; before HTTP/1.1 it cannot.
  asio::awaitable<bool> write_pieces(std::shared_ptr<ReplyStream> body, bool chunked, bool keep_alive) {
    keep_alive = keep_alive && chunked;
    const std::string head = stream_head(*body, chunked, keep_alive, options_.cors);
    below().expires_after(kPatience);  // for all of it
    const auto head_bytes = asio::buffer(head);
    if (!co_await send(head_bytes)) co_return false;
    while (true) {
      const std::string piece = co_await body->next();
      if (piece.empty()) break;
      const auto bytes = asio::buffer(piece);
      const auto chunk = http::make_chunk(bytes);
      const bool is_sent = chunked ? co_await send(chunk) : co_await send(bytes);
      if (!is_sent) co_return false;
    }
    const auto end = http::make_chunk_last();
    if (chunked && !co_await send(end)) co_return false;
    co_return keep_alive;
  }
  // The caller's buffers, which have a name there (GCC 12 destroys temporaries of a co_await twice).
  template <typename Buffers>
  asio::awaitable<bool> send(const Buffers& buffers) {
    const auto [error, bytes] = co_await asio::async_write(stream_, buffers, kQuietly);
    co_return !error;
  }
  // Until the body or its reader ends: without a length, the end of the connection is the end of the body. A reader that
  // sends more, or closes, has ended; so it is seen at once.
  asio::awaitable<bool> stream(std::shared_ptr<ReplyStream> body) {
    below().socket().async_wait(asio::socket_base::wait_read, [body](const error_code&) { body->stop(); });
    std::string piece = stream_head(*body, false, false, options_.cors);
    while (!piece.empty()) {
      below().expires_after(std::chrono::seconds(kStreamSecondsMax));
      const auto [error, bytes] = co_await asio::async_write(stream_, asio::buffer(piece), kQuietly);
      if (error == beast::error::timeout) body->cut_off();
      if (error) break;
      below().expires_never();
      piece = co_await body->next();
    }
    co_return false;
  }
  asio::awaitable<bool> write(ApiReply& reply, unsigned version, bool keep_alive) {
    http::response<http::string_body> response = to_http(reply, version, keep_alive, options_.cors);
    below().expires_after(kPatience);
    const auto [error, bytes] = co_await http::async_write(stream_, response, kQuietly);
    co_return !error && keep_alive;
  }
  // A close right after an answer would be a reset, and lose it, while the peer's own bytes lie unread.
  asio::awaitable<void> finish() {
    error_code ignored;
    below().expires_after(std::chrono::seconds(1));
    if constexpr (!std::is_same_v<S, Stream>) co_await stream_.async_shutdown(kQuietly);
    below().socket().shutdown(asio::socket_base::shutdown_send, ignored);
    char rest[4096];
    for (size_t taken = 0; taken < 2 * kApiBodyBytesMax;) {
      const auto [error, bytes] = co_await below().async_read_some(asio::buffer(rest), kQuietly);
      if (error) co_return;
      taken += bytes;
    }
  }

  S& stream_;
  const ApiHandler& handler_;
  const HttpOptions& options_;
};

struct Server {
  ApiHandler handler;
  HttpOptions options;
  unsigned open = 0;
};

template <typename S>
asio::awaitable<void> serve_stream(S& stream, const Server& server) {
  Session<S> session(stream, server.handler, server.options);
  if (server.open <= kApiConnectionMax) co_return co_await session.serve();
  const ApiReply full = error_reply(503, "too many connections to the API",
                                    "close some; there may be " + std::to_string(kApiConnectionMax));
  co_await session.say_last(full);
}

// Counts a connection for as long as it lives.
class OpenConnection {
 public:
  explicit OpenConnection(std::shared_ptr<Server> server) : server_(std::move(server)) { ++server_->open; }
  ~OpenConnection() { --server_->open; }
  OpenConnection(const OpenConnection&) = delete;
  OpenConnection& operator=(const OpenConnection&) = delete;

 private:
  std::shared_ptr<Server> server_;
};

asio::awaitable<void> serve_connection(Stream stream, std::shared_ptr<Server> server) {
  const OpenConnection open(server);
  if (!server->options.tls) co_return co_await serve_stream(stream, *server);
  beast::ssl_stream<Stream> tls(std::move(stream), *server->options.tls);
  beast::get_lowest_layer(tls).expires_after(kPatience);
  const auto [error] = co_await tls.async_handshake(asio::ssl::stream_base::server, kQuietly);
  if (!error) co_await serve_stream(tls, *server);
}

}  // namespace

std::shared_ptr<asio::ssl::context> make_tls(const config::ApiConfig::Tls& files, std::string& problem) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  context->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1 | asio::ssl::context::no_sslv3);
  error_code error;
  const std::string* failed = &files.cert_path;
  context->use_certificate_chain_file(files.cert_path, error);
  if (!error) {
    failed = &files.key_path;
    context->use_private_key_file(files.key_path, asio::ssl::context::pem, error);
  }
  if (!error) return context;
  problem = *failed + " cannot be used: " + error.message() +
            "; [api.tls] cert_path and key_path need PEM files that belong together";
  return nullptr;
}

asio::awaitable<void> serve_api(StreamListener& listener, ApiHandler handler, HttpOptions options) {
  const auto executor = listener.acceptor().get_executor();
  const auto server = std::make_shared<Server>(Server{std::move(handler), std::move(options)});
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
    asio::co_spawn(executor, serve_connection(Stream(std::move(socket)), server), asio::detached);
  }
}

}  // namespace millrace::control
