// publisher.h: makes a configuration the one that workers follow, and keeps what is applied.
// Route:  apply > SlotTable::assign > SnapshotBuilder::build > Steering::add > swap > Steering::remove_others
// Thread: main lcore. Never waits for workers: what they may still read is freed later, by collect().
// Fails:  apply() returns the reason; then the old configuration goes on whole.
// Tests:  tests/unit/link/publisher_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/link/departed_ranges.h"
#include "dataplane/link/desired_model.h"
#include "dataplane/link/directory.h"
#include "dataplane/link/retired.h"
#include "dataplane/link/slot_table.h"
#include "dataplane/link/snapshot_builder.h"
#include "dataplane/link/warming.h"
#include "dataplane/ports/steering.h"
#include "dataplane/process_state.h"
#include "millrace/messages.h"

namespace millrace {

// Workers that hold this many old tables are stuck; further changes wait in the command ring instead of in memory.
inline constexpr size_t kRetiredMax = 16;

class Publisher {
 public:
  // Publishes the empty snapshot and route table, so that the workers find both.
  Publisher(ProcessState& state, Steering& steering, Directory directory);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  const DesiredModel& applied() const { return applied_; }

  // The kernel's addresses changed: wildcard binds and kernel_owned follow. False with a sentence in last_error() when
  // steering refused one (the old addresses go on) or a bind meets a SNAT range (that address is left out).
  bool set_addresses(std::vector<IpAddr> addresses);
  void set_routes(const std::vector<Route>& routes);

  RejectReason apply(DesiredModel wanted);
  // A checked command. New connections see it with their next burst; the tables follow with flush().
  void set_backend(const SetBackendCommand& command);
  // Rebuilds the services that set_backend touched; once a turn of the main loop, however many there were.
  void flush();
  // Frees old snapshots and route tables that no worker reads any more; every turn.
  void collect() { retired_.collect(); }
  // Frees slots and SNAT ranges that no connection uses any more, and ends slow starts; some times a second, it walks all
  // that are leaving.
  void reclaim();
  // Workers hold so many old tables that nothing more should be changed just now.
  bool must_wait() const { return retired_.size() >= kRetiredMax; }

  // Why the last apply() or set_addresses() failed, in a sentence for the log; empty when the reason says it all.
  const std::string& last_error() const { return last_error_; }

 private:
  RejectReason publish_model(DesiredModel& wanted, bool refuse_conflict);
  void swap(std::unique_ptr<Snapshot> snapshot);
  // To the workers, before any table says it.
  void tell_standing(const DesiredService& service, const DesiredBackend& backend, bool others_serve);
  void tell_standings(const DesiredService& service);
  bool serves(const DesiredService& service) const;

  ProcessState& state_;
  Steering& steering_;
  Directory directory_;
  SlotTable slots_;
  DepartedRanges departed_ranges_;
  SnapshotBuilder builder_;
  Retired retired_;
  Warming warming_;
  DesiredModel applied_;
  std::vector<IpAddr> addresses_;
  std::vector<bool> touched_;  // by ServiceOrdinal of applied_
  bool any_touched_ = false;
  uint8_t route_epoch_ = 0;
  std::string last_error_;
};

}  // namespace millrace
