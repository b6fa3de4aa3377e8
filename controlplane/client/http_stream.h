// http_stream.h: a response that goes on for as long as the server has something to say: one line of JSON after another.
// Route:  a source's await_change > HttpStream::open > next_line, again and again
// Thread: the event loop; nothing blocks. Whoever awaits has the deadline and cancels (terminal); then the stream is over.
// Bound:  body_bytes_max a line, 64 KiB of headers; nothing is read ahead of who asks but one piece of 16 KiB.
// Fails:  with a sentence that holds no credentials; never throws.      Tests: tests/unit/control/http_stream_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "controlplane/client/http_message.h"

namespace millrace::control {

class HttpStream {
 public:
  explicit HttpStream(HttpRequest request);
  ~HttpStream();
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  // Once, first. True: the server has answered with status 200, and lines may come.
  boost::asio::awaitable<bool> open();
  // The next one that is not empty, without its end. nullopt: there will be none any more.
  boost::asio::awaitable<std::optional<std::string>> next_line();

  // Why it is over; empty: it is not.
  const std::string& problem() const { return problem_; }
  // As far as it is known: a refusal has its body, too, up to body_bytes_max.
  unsigned status() const { return status_; }

 private:
  struct Reading;

  bool end(std::string why);
  std::optional<std::string> take_line();
  boost::asio::awaitable<bool> read_more();

  HttpRequest request_;
  std::unique_ptr<Reading> reading_;
  std::string text_;     // read, not given out yet
  size_t searched_ = 0;  // bytes of it that hold no end of a line
  unsigned status_ = 0;
  std::string problem_;
};

}  // namespace millrace::control
