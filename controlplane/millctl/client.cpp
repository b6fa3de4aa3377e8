#include "controlplane/millctl/client.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <functional>

namespace millrace::millctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Stream = beast::basic_stream<asio::local::stream_protocol>;

std::string connect_problem(const std::string& socket, const error_code& error) {
  namespace errc = boost::system::errc;
  if (error == errc::no_such_file_or_directory)
    return fmt::format("no millraced at {}: there is no such socket; start millraced or name its socket with --socket",
                       socket);
  if (error == errc::connection_refused)
    return fmt::format("no millraced at {}: nobody listens; start millraced or name its socket with --socket", socket);
  if (error == errc::permission_denied)
    return fmt::format("{} may not be used by this user; run millctl as root or in the socket's group", socket);
  return fmt::format("cannot talk to millraced at {}: {}", socket, error.message());
}

http::request<http::string_body> make_request(const std::string& method, const std::string& target) {
  http::request<http::string_body> request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, "millrace");
  request.set(http::field::user_agent, "millctl/" MR_VERSION);
  request.keep_alive(false);
  return request;
}

}  // namespace

std::string percent_encode(const std::string& text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain)
      encoded.push_back(c);
    else
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

Answer Client::ask(const std::string& method, const std::string& target, const std::string& body) const {
  Answer answer;
  sockaddr_un limits{};
  if (socket_.empty() || socket_.size() >= sizeof limits.sun_path) {
    answer.problem = fmt::format("'{}' cannot be a socket path", socket_);
    return answer;
  }
  asio::io_context loop(1);
  Stream stream(loop);
  http::request<http::string_body> request = make_request(method, target);
  request.body() = body;
  request.prepare_payload();
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kAnswerBytesMax);

  error_code failed;
  stream.expires_after(std::chrono::seconds(seconds_max_));
  stream.async_connect(asio::local::stream_protocol::endpoint(socket_), [&](error_code connected) {
    failed = connected;
    if (failed) return;
    http::async_write(stream, request, [&](error_code written, size_t) {
      failed = written;
      if (failed) return;
      http::async_read(stream, buffer, parser, [&](error_code read, size_t) { failed = read; });
    });
  });
  loop.run();
  if (failed) {
    answer.problem = failed == beast::error::timeout
                         ? fmt::format("millraced at {} did not answer within {} s", socket_, seconds_max_)
                         : connect_problem(socket_, failed);
    return answer;
  }
  answer.status = parser.get().result_int();
  const bool is_json = parser.get()[http::field::content_type] == "application/json";
  if (is_json) answer.body = Json::parse(parser.get().body(), nullptr, false);
  if (!is_json) answer.text = parser.get().body();
  answer.reached = parser.get()[http::field::server].starts_with("millraced/") && !answer.body.is_discarded();
  if (!answer.reached) answer.problem = fmt::format("what answers at {} is no millraced", socket_);
  return answer;
}

Answer Client::follow(const std::string& target, const std::function<bool(std::string_view)>& take) const {
  Answer answer;
  asio::io_context loop(1);
  asio::local::stream_protocol::socket socket(loop);
  error_code error;
  socket.connect(asio::local::stream_protocol::endpoint(socket_), error);
  const http::request<http::string_body> request = make_request("GET", target);
  if (!error) http::write(socket, request, error);
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  if (!error) http::read_header(socket, buffer, parser, error);
  if (error) {
    answer.problem = connect_problem(socket_, error);
    return answer;
  }
  if (parser.get().result() != http::status::ok) return get(target);  // it says why, as one answer
  answer.reached = true;
  answer.status = 200;
  char part[4096];
  while (!parser.is_done()) {
    parser.get().body().data = part;
    parser.get().body().size = sizeof part;
    http::read_some(socket, buffer, parser, error);
    const size_t bytes = sizeof part - parser.get().body().size;
    if (bytes != 0 && !take({part, bytes})) return answer;
    if (error && error != http::error::need_buffer) break;
  }
  answer.problem = fmt::format("millraced at {} ended the stream", socket_);
  return answer;
}

}  // namespace millrace::millctl
