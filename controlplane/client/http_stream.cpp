#include "controlplane/client/http_stream.h"

#include <fmt/format.h>

#include <array>
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

constexpr size_t kPieceBytes = 16 * 1024;

}  // namespace

struct HttpStream::Reading {
  HttpConnection connection;
  boost::beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  std::array<char, kPieceBytes> piece;

  explicit Reading(const asio::any_io_executor& executor) : connection(executor) {
    parser.header_limit(kResponseHeadBytesMax);
    parser.body_limit(boost::none);
  }
};

HttpStream::HttpStream(HttpRequest request) : request_(std::move(request)) {}
HttpStream::~HttpStream() = default;

bool HttpStream::end(std::string why) {
  if (problem_.empty()) problem_ = request_.shown() + ": " + std::move(why);
  reading_.reset();
  return false;
}

asio::awaitable<bool> HttpStream::open() {
  reading_ = std::make_unique<Reading>(co_await asio::this_coro::executor);
  if (std::string problem = co_await reading_->connection.open(request_); !problem.empty())
    co_return end(std::move(problem));
  const auto [error, taken] = co_await reading_->connection.with(
      [this](auto& stream) { return http::async_read_header(stream, reading_->buffer, reading_->parser, kQuietly); });
  if (error) co_return end(describe_cut(error));
  status_ = reading_->parser.get().result_int();
  if (status_ == 200) co_return true;
  while (text_.size() < request_.body_bytes_max && co_await read_more()) {
  }
  const HttpResponse refusal{.status = status_, .body = text_};
  problem_ = describe_refusal(request_, refusal);
  reading_.reset();
  co_return false;
}

// False: the response is over.
asio::awaitable<bool> HttpStream::read_more() {
  Reading& reading = *reading_;
  if (reading.parser.is_done()) co_return end("it ends the stream");
  auto& body = reading.parser.get().body();
  body.data = reading.piece.data();
  body.size = reading.piece.size();
  const auto [error, taken] = co_await reading.connection.with(
      [&reading](auto& stream) { return http::async_read_some(stream, reading.buffer, reading.parser, kQuietly); });
  text_.append(reading.piece.data(), reading.piece.size() - body.size);
  if (error && error != http::error::need_buffer) co_return end(describe_cut(error));
  co_return true;
}

std::optional<std::string> HttpStream::take_line() {
  const size_t end_of_line = text_.find('\n', searched_);
  if (end_of_line == std::string::npos) {
    searched_ = text_.size();
    return std::nullopt;
  }
  std::string line = text_.substr(0, end_of_line);
  text_.erase(0, end_of_line + 1);
  searched_ = 0;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

asio::awaitable<std::optional<std::string>> HttpStream::next_line() {
  while (true) {
    if (std::optional<std::string> line = take_line()) {
      if (line->size() > request_.body_bytes_max) break;
      if (!line->empty()) co_return line;
      continue;
    }
    if (text_.size() > request_.body_bytes_max) break;
    if (!reading_) co_return std::nullopt;
    co_await read_more();
  }
  end(fmt::format("it sends a line of more than {} bytes", request_.body_bytes_max));
  text_.clear();
  co_return std::nullopt;
}

}  // namespace millrace::control
