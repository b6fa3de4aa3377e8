// line_feed.h: the lines of an HttpStream, read by a coroutine of their own, so that whoever awaits one may stop waiting
// without an end to the stream.
// Thread: the event loop.
// Bound:  kFeedBytesMax wait, and one line more; then nothing is read until they are taken.
// Fails:  with the stream's sentence; never throws.      Tests: tests/unit/control/etcd_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "controlplane/client/http_message.h"

namespace millrace::control {

inline constexpr size_t kFeedBytesMax = 1 << 20;

class LineFeed {
 public:
  LineFeed(const boost::asio::any_io_executor& executor, HttpRequest request);
  ~LineFeed();
  LineFeed(const LineFeed&) = delete;
  LineFeed& operator=(const LineFeed&) = delete;

  // nullopt: none until `deadline`, or none any more.
  boost::asio::awaitable<std::optional<std::string>> next(std::chrono::steady_clock::time_point deadline);
  // One that is here already.
  std::optional<std::string> try_next();
  // Empty: it goes on.
  const std::string& problem() const;

 private:
  struct Reading;

  static boost::asio::awaitable<void> read(std::shared_ptr<Reading> reading);

  std::shared_ptr<Reading> reading_;
};

}  // namespace millrace::control
