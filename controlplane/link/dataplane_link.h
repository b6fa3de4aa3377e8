// dataplane_link.h: keeps one dataplane at the desired state: joins its segment, sends what differs, hears the
// answers, notices its death and serves the next one from the start.
// Route:  set_desired > diff_state > make_transaction | make_set_backends > CommandWriter |ring| EventReader > applied
// Thread: the event loop.
// Bound:  one transaction under way at a time; what changes meanwhile is sent when it has been answered.
// Fails:  never; where it stands is in status().      Tests: tests/unit/control/link_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controlplane/events/event_log.h"
#include "controlplane/link/command_writer.h"
#include "controlplane/link/event_reader.h"
#include "controlplane/link/owner_lock.h"
#include "controlplane/link/segment_join.h"
#include "controlplane/state/desired_state.h"

namespace millrace::control {

struct Rejection {
  Generation generation = 0;
  std::string reason;    // "duplicate_bind"
  std::string sentence;  // "two services have one address, protocol and port"
  std::string item;      // "bind 10.0.0.1:80 of service web"
  uint64_t time_ms = 0;
};
std::string format_rejection(const Rejection& rejection);

enum class SyncState {
  waiting,   // no dataplane
  sending,   // under way
  applied,   // the dataplane has the desired state
  rejected,  // the dataplane refused the desired state and goes on with what it had
};

struct LinkStatus {
  bool connected = false;
  bool stalled = false;  // its process lives, but its heartbeat is late
  std::string problem;   // why not connected, or stalled
  SyncState sync = SyncState::waiting;
  Generation generation_sent = 0;  // of the last transaction; 0: none yet
  Generation generation_applied = 0;
  std::optional<Rejection> rejection;  // the last one since the last applied
  uint64_t heartbeat_age_ms = 0;
  uint64_t events_malformed = 0;
};

// What became of one revision of the desired state.
enum class Outcome { pending, applied, rejected, no_dataplane };

class DataplaneLink {
 public:
  DataplaneLink(boost::asio::any_io_executor executor, std::string segment_path, OwnerLock lock);
  DataplaneLink(const DataplaneLink&) = delete;
  DataplaneLink& operator=(const DataplaneLink&) = delete;

  // Tells it what becomes of the dataplane and of configurations, and which limits are met, from now on.
  void record_in(std::shared_ptr<EventLog> events) { events_ = std::move(events); }

  // Joins, polls and beats until stop().
  boost::asio::awaitable<void> run();
  void stop();

  // What the dataplane should have from now on; sent at once when nothing else is under way. The returned revision
  // goes into outcome() and settle().
  uint64_t set_desired(std::shared_ptr<const DesiredState> state);
  // Sends the whole desired state again at the next turn, also if nothing differs.
  void resend();
  Outcome outcome(uint64_t revision) const;
  // Waits until the revision is no longer pending, at most `patience`.
  boost::asio::awaitable<Outcome> settle(uint64_t revision, std::chrono::milliseconds patience);

  LinkStatus status() const;
  // Null while there is none. A holder may keep it over a suspension; it then reads a mapping of the past.
  std::shared_ptr<const Segment> segment() const;

 private:
  struct Transaction {
    Generation generation = 0;
    uint64_t revision = 0;
    std::shared_ptr<const DesiredState> state;
    uint64_t sent_ms = 0;
  };
  // One joined dataplane.
  struct Peer {
    std::shared_ptr<Segment> segment;
    CommandWriter writer;
    EventReader reader;
    std::optional<Transaction> under_way;
    std::shared_ptr<const DesiredState> applied;  // what it has, with the set_backends since; null: not known yet
    Generation applied_generation = 0;
    bool resend = true;
    uint64_t resend_not_before_ms = 0;
    unsigned generation_clashes = 0;
    uint64_t checked_ms = 0;
    bool stalled = false;
  };

  bool awaits_answer() const;
  void turn();
  void try_join();
  void leave(const std::string& why, uint64_t pause_ms);
  bool check_life(uint64_t now_ms);
  void hear(uint64_t now_ms);
  void take_event(const Event& event, uint64_t now_ms);
  void take_rejection(const Event& event, uint64_t now_ms);
  void complete(uint64_t now_ms);
  void push();
  void send_snapshot(uint64_t now_ms);
  void warn_full(const Event& event, uint64_t now_ms);
  void warn_refused(const Event& event, uint64_t now_ms);
  void warn_limit(const Event& event, uint64_t now_ms);
  void tell_syn_proxy(const Event& event);
  void tell(const Happening& happening);
  void tell_limit(const char* what, const Event& event);
  void set_problem(const std::string& problem);

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer turn_timer_;
  boost::asio::steady_timer settle_signal_;
  std::string path_;
  OwnerLock lock_;
  std::shared_ptr<EventLog> events_;  // null: nobody wants to know
  bool stopped_ = false;

  std::shared_ptr<const DesiredState> desired_;
  uint64_t revision_ = 0;
  uint64_t revision_applied_ = 0;
  // The refused state is not sent again before retry_ms_ unless something besides health, weight and admin changed.
  std::shared_ptr<const DesiredState> refused_;
  uint64_t revision_refused_ = 0;
  uint64_t retry_ms_ = 0;

  std::optional<Peer> peer_;
  std::string problem_;
  uint64_t join_not_before_ms_ = 0;
  Generation generation_sent_ = 0;
  std::optional<Rejection> rejection_;
  uint64_t full_warned_ms_ = 0;
  uint64_t refused_warned_ms_ = 0;
  std::map<ServiceSlot, uint64_t> clients_refused_;  // since the last warning
  std::map<ServiceSlot, uint64_t> limit_warned_ms_;
  uint64_t malformed_before_ = 0;  // by peers of the past
};

}  // namespace millrace::control
