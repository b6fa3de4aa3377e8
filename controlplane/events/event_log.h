// event_log.h: what has happened, numbered: the last kEventsKept of it, and those who wait for more.
// Route:  Daemon | DiscoveryMonitor | DataplaneLink > add > (listeners) EventStream > HTTP
// Thread: the event loop.
// Memory: kEventsKept entries of some 300 bytes, however many listen: they read here and keep only a number.
// Fails:  never; what is older than kEventsKept is forgotten.      Tests: tests/unit/control/events_test.cpp
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>

namespace millrace::control {

inline constexpr size_t kEventsKept = 1024;
inline constexpr size_t kEventStreamMax = 16;  // of the API's connections, which others need too

// What is empty is not there.
struct Happening {
  const char* kind;  // "backend", "config", "discovery", "dataplane", "limit"
  const char* what;  // "up", "down", "applied", …: docs/api.md lists them
  std::string service{};
  std::string backend{};
  std::string cause{};
  std::optional<uint64_t> generation{};
  std::optional<uint64_t> count{};
};

class EventLog {
 public:
  struct Entry {
    uint64_t id;
    const char* kind;
    std::string json;
  };

  void add(const Happening& happening);

  uint64_t last_id() const { return last_id_; }
  // Of the oldest that is kept; last_id() + 1 when there is none.
  uint64_t first_id() const { return last_id_ + 1 - kept_.size(); }
  // From first_id() to last_id().
  const Entry& at(uint64_t id) const { return kept_[id - first_id()]; }

  // Whose wait ends with the next add(), until forget().
  void listen(boost::asio::steady_timer& bell) { bells_.insert(&bell); }
  void forget(boost::asio::steady_timer& bell) { bells_.erase(&bell); }
  size_t listener_count() const { return bells_.size(); }

  // Listeners that did not keep up.
  void count_cut_off() { ++cut_off_; }
  uint64_t cut_off() const { return cut_off_; }

 private:
  std::deque<Entry> kept_;
  uint64_t last_id_ = 0;
  std::set<boost::asio::steady_timer*> bells_;
  uint64_t cut_off_ = 0;
};

}  // namespace millrace::control
