// watched_source.h: a source over HTTP that is listed once, and followed from there by a watch: a stream of what changes.
// Route:  ask > list > answer; await_change > LineFeed(watch) > take; ask > answer, and so on
// Thread: the event loop.
// Bound:  a question at most every kAskEvery, however the registry flaps; kSilenceMax without a word, then it is listed anew.
// Holds:  the watch begins where the list ended, so nothing is missed; when it breaks off everything is listed anew.
// Fails:  with a sentence; never throws.      Tests: tests/unit/control/{etcd,kubernetes}_test.cpp
#pragma once

#include <optional>
#include <string>

#include "controlplane/client/line_feed.h"
#include "controlplane/discovery/source.h"

namespace millrace::control {

inline constexpr std::chrono::seconds kSilenceMax{60};

class WatchedSource : public Source {
 public:
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) final;
  boost::asio::awaitable<void> await_change(std::chrono::steady_clock::time_point deadline) final;

 protected:
  using Clock = std::chrono::steady_clock;
  enum class Told {
    nothing,
    change,  // and answer() says it
    end,     // the watch is of no use any more
  };

  // Learns everything anew. Empty, or why that failed.
  virtual boost::asio::awaitable<std::string> list(Clock::time_point deadline) = 0;
  // From where the list ended.
  virtual HttpRequest watch() const = 0;
  virtual Told take(const std::string& line) = 0;
  virtual Answer answer() const = 0;

 private:
  boost::asio::awaitable<bool> follow(Clock::time_point deadline);

  std::optional<LineFeed> feed_;
  bool listed_ = false;   // the last question was answered
  bool current_ = false;  // what is known is what the registry has, as far as the watch has told
  Clock::time_point asked_at_{};
};

}  // namespace millrace::control
