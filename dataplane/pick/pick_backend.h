// pick_backend.h: chooses the backend of a new connection.
// Route:  act_burst > open_connection > pick_backend
// Thread: owning worker. No allocation.
// Bound:  leastconn looks at every target of the table; the others at one, and at the following ones only while
//         those went down since the table was built, or are to be avoided.
// Tests:  tests/unit/pick/pick_backend_test.cpp
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/pick/snapshot.h"
#include "millrace/counters.h"
#include "millrace/ids.h"

namespace millrace {

// One byte per BackendSlot: may it get new connections, and is it dead. Writer: main lcore, before it even rebuilds the
// tables, so that a dead backend gets nothing from the next burst on. Readers: workers, relaxed.
class EligibleBackends {
 public:
  EligibleBackends() : cells_(new std::atomic<uint8_t>[kBackendMax]()) {}
  bool read(BackendSlot slot) const { return (load(slot) & kEligible) != 0; }
  // By its health; one that drains, or that left the configuration, may be well.
  bool is_down(BackendSlot slot) const { return (load(slot) & kDown) != 0; }
  void set(BackendSlot slot, bool eligible, Health health = Health::up) {
    const int cell = (eligible ? kEligible : 0) | (health == Health::down ? kDown : 0);
    cells_[raw(slot)].store(static_cast<uint8_t>(cell), std::memory_order_relaxed);
  }

 private:
  static constexpr uint8_t kEligible = 1;
  static constexpr uint8_t kDown = 2;
  uint8_t load(BackendSlot slot) const { return cells_[raw(slot)].load(std::memory_order_relaxed); }

  std::unique_ptr<std::atomic<uint8_t>[]> cells_;
};

// Round-robin positions of one worker, by ServiceSlot. Starts at a different place on each worker.
struct PickCursors {
  std::array<uint32_t, kServiceMax> next{};
};

struct PickWish {
  uint32_t client_hash = 0;        // decides maglev: hash of client address and port, equal on every host (flow_hash)
  BackendSlot avoid = kNoBackend;  // not this one: it has just failed
};

// `table` is the service's for the client's family, or the one of its server name. `backend_counters[worker]` is that
// worker's row by BackendSlot (leastconn adds up `active` over all workers).
// Returns nullptr when no target is eligible.
const BackendTarget* pick_backend(const ServiceTables& service, const PickTable& table, const PickWish& wish,
                                  const EligibleBackends& eligible, PickCursors& cursors,
                                  std::span<const BackendCounters* const> backend_counters);

// Hash of client address and port for maglev; the same on every host, run and build.
uint32_t flow_hash(const IpAddr& client, Be16 client_port);

}  // namespace millrace
