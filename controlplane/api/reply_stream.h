// reply_stream.h: a body that comes piece by piece, or has no end at all.
// Thread: the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

namespace millrace::control {

class ReplyStream {
 public:
  virtual ~ReplyStream() = default;
  ReplyStream(const ReplyStream&) = delete;
  ReplyStream& operator=(const ReplyStream&) = delete;

  virtual const char* content_type() const = 0;
  // Then a reader must be able to tell it from a connection that was cut.
  virtual bool has_end() const = 0;
  // Waits for the next piece; empty: that was all.
  virtual boost::asio::awaitable<std::string> next() = 0;
  // Nobody reads any more: ends the wait, and every later one.
  virtual void stop() = 0;
  // The reader did not take a piece in time.
  virtual void cut_off() = 0;

 protected:
  ReplyStream() = default;
};

}  // namespace millrace::control
