#include "controlplane/client/line_feed.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <utility>

#include "controlplane/client/http_stream.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

}  // namespace

// Shared with its coroutine, which may outlive the feed until it has seen that it is cancelled.
struct LineFeed::Reading {
  asio::any_io_executor executor;
  HttpStream stream;
  std::deque<std::string> lines;
  size_t line_bytes = 0;
  asio::steady_timer come;  // cancelled when there is a line, or the end
  asio::steady_timer room;  // cancelled when lines were taken
  asio::cancellation_signal cancel;

  Reading(const asio::any_io_executor& loop, HttpRequest request)
      : executor(loop), stream(std::move(request)), come(loop), room(loop) {}
};

LineFeed::LineFeed(const asio::any_io_executor& executor, HttpRequest request)
    : reading_(std::make_shared<Reading>(executor, std::move(request))) {
  // The handler keeps the signal, which must outlive the coroutine.
  asio::co_spawn(
      executor, read(reading_),
      asio::bind_cancellation_slot(reading_->cancel.slot(), [reading = reading_](const std::exception_ptr&) {}));
}

// In the loop: a signal from outside it would be on its way there when its coroutine has ended.
LineFeed::~LineFeed() {
  asio::dispatch(reading_->executor, [reading = reading_] { reading->cancel.emit(asio::cancellation_type::terminal); });
}

asio::awaitable<void> LineFeed::read(std::shared_ptr<Reading> reading) {
  bool goes_on = co_await reading->stream.open();
  while (goes_on) {
    std::optional<std::string> line = co_await reading->stream.next_line();
    goes_on = line.has_value();
    if (line) {
      reading->line_bytes += line->size();
      reading->lines.push_back(std::move(*line));
      reading->come.cancel();
    }
    while (reading->line_bytes > kFeedBytesMax) {
      reading->room.expires_at(asio::steady_timer::time_point::max());
      co_await reading->room.async_wait(kQuietly);
    }
  }
  reading->come.cancel();
}

asio::awaitable<std::optional<std::string>> LineFeed::next(std::chrono::steady_clock::time_point deadline) {
  const std::shared_ptr<Reading> reading = reading_;
  while (reading->lines.empty() && reading->stream.problem().empty() && std::chrono::steady_clock::now() < deadline) {
    reading->come.expires_at(deadline);
    co_await reading->come.async_wait(kQuietly);
  }
  co_return try_next();
}

std::optional<std::string> LineFeed::try_next() {
  if (reading_->lines.empty()) return std::nullopt;
  std::string line = std::move(reading_->lines.front());
  reading_->lines.pop_front();
  reading_->line_bytes -= line.size();
  reading_->room.cancel();
  return line;
}

const std::string& LineFeed::problem() const { return reading_->stream.problem(); }

}  // namespace millrace::control
