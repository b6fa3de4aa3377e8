// event_stream.h: events as server-sent events (HTML Living Standard, 9.2), from a number on and for as long as somebody
// reads. It keeps no events of its own: a reader that falls kEventsKept behind is cut off.
// Route:  get_events > EventStream::next > Session::stream
// Thread: the event loop.      Tests: tests/unit/control/events_test.cpp
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "controlplane/api/reply_stream.h"
#include "controlplane/events/event_log.h"

namespace millrace::control {

inline constexpr std::chrono::seconds kEventHeartbeat{15};  // proxies and readers see that the stream lives

class EventStream : public ReplyStream {
 public:
  // Begins with what came after the event `after`. A number that was not given yet is one of an earlier millraced:
  // then with everything.
  EventStream(const boost::asio::any_io_executor& executor, std::shared_ptr<EventLog> log, uint64_t after);
  ~EventStream() override;

  const char* content_type() const override { return "text/event-stream"; }
  bool has_end() const override { return false; }
  boost::asio::awaitable<std::string> next() override;
  void stop() override;
  void cut_off() override { log_->count_cut_off(); }

 private:
  std::string take();

  std::shared_ptr<EventLog> log_;
  uint64_t next_id_;
  uint64_t lost_;  // asked for and no longer kept
  bool begun_ = false;
  bool stopped_ = false;
  boost::asio::steady_timer bell_;
};

}  // namespace millrace::control
