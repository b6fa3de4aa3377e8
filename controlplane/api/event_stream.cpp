#include "controlplane/api/event_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace::control {
namespace {

constexpr size_t kPieceBytesMax = 16 * 1024;  // of one write

}  // namespace

EventStream::EventStream(const boost::asio::any_io_executor& executor, std::shared_ptr<EventLog> log, uint64_t after)
    : log_(std::move(log)), bell_(executor) {
  const uint64_t wanted = after > log_->last_id() ? 1 : after + 1;
  next_id_ = std::max(wanted, log_->first_id());
  lost_ = next_id_ - wanted;
  log_->listen(bell_);
}

EventStream::~EventStream() { log_->forget(bell_); }

void EventStream::stop() {
  stopped_ = true;
  bell_.cancel();
}

// What there is by now, as far as it goes into one piece.
std::string EventStream::take() {
  std::string piece;
  if (!begun_) piece = ": events of millraced\n\n";
  if (lost_ != 0) piece += fmt::format("event: lost\ndata: {{\"count\":{}}}\n\n", lost_);
  begun_ = true;
  lost_ = 0;
  for (; next_id_ <= log_->last_id() && piece.size() < kPieceBytesMax; ++next_id_) {
    const EventLog::Entry& entry = log_->at(next_id_);
    piece += fmt::format("id: {}\nevent: {}\ndata: {}\n\n", entry.id, entry.kind, entry.json);
  }
  return piece;
}

boost::asio::awaitable<std::string> EventStream::next() {
  while (!stopped_) {
    if (next_id_ < log_->first_id()) {
      cut_off();
      break;
    }
    std::string piece = take();
    if (!piece.empty()) co_return piece;
    bell_.expires_after(kEventHeartbeat);
    const auto [error] = co_await bell_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (!error) co_return ": still here\n\n";
  }
  co_return std::string();
}

}  // namespace millrace::control
