// pick_backend.h: chooses the backend of a new connection.
// Route:  act_burst > open_connection > pick_for_client > pick_backend
// Thread: owning worker. No allocation.
// Bound:  leastconn looks at every target of the table; the others at one or two, and at following ones only while
//         those went down since the table was built, are full, warm up (slow start), are on trial or are to be avoided. Where all are
//         full that is found out once a millisecond, not by every client (FullTables).
// Tests:  tests/unit/pick/pick_backend_test.cpp, balance_test.cpp, limits_and_warming_test.cpp
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/pick/bandwidths.h"
#include "dataplane/pick/eligible_backends.h"
#include "dataplane/pick/flow_hash.h"
#include "dataplane/pick/handshake_times.h"
#include "dataplane/pick/open_counts.h"
#include "dataplane/pick/snapshot.h"
#include "millrace/ids.h"

namespace millrace {

// SplitMix64: one addition and mix_bits a number. Not for secrets.
class PickRandom {
 public:
  void seed(uint64_t seed) { state_ = seed; }
  uint64_t next() { return mix_bits(state_ += 0x9e3779b97f4a7c15); }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>((next() >> 32) * bound >> 32); }

 private:
  uint64_t state_ = 0;
};

// Which tables had no backend with room in this millisecond, and which services were full themselves; the latest of each
// place.
class FullTables {
 public:
  // `what`: the table or the service.
  bool has(ServiceSlot slot, const void* what, uint32_t now_ms) const {
    const Full& full = places_[raw(slot) % kPlaces];
    return full.what == what && full.at_ms == now_ms;
  }
  void add(ServiceSlot slot, const void* what, uint32_t now_ms) { places_[raw(slot) % kPlaces] = {what, now_ms}; }

 private:
  static constexpr unsigned kPlaces = 64;
  struct Full {
    const void* what = nullptr;  // compared, never followed
    uint32_t at_ms = 0;
  };
  std::array<Full, kPlaces> places_;
};

// What one worker remembers from pick to pick.
struct PickState {
  std::array<uint32_t, kServiceMax> next{};  // round-robin positions, by ServiceSlot; each worker starts elsewhere
  PickRandom random;
  HandshakeTimes handshakes;
  FullTables full;
};

// What all workers see.
struct PickView {
  const EligibleBackends& eligible;
  const OpenCounts& open;
  const Bandwidths& bandwidths;
  uint32_t now_ms = 0;  // low 32 bits of CLOCK_MONOTONIC
};

struct PickWish {
  uint32_t client_hash = 0;        // decides maglev, iphash and iphash1 (hash_of_client)
  BackendSlot avoid = kNoBackend;  // not this one: it has just failed
};

enum class PickResult : uint8_t {
  picked,
  none_eligible,
  all_full,    // those that are eligible have their max_connections
  still_full,  // all_full as before in this millisecond
};

struct Pick {
  const BackendTarget* backend = nullptr;  // picked
  PickResult result = PickResult::none_eligible;
};

// `table` is the service's for the client's family, or the one of its server name.
Pick pick_backend(const ServiceTables& service, const PickTable& table, const PickWish& wish, const PickView& view,
                  PickState& state);

// The same on every host, run and build: of the client's address and port, for iphash and iphash1 of its address alone.
uint32_t hash_of_client(Balance balance, const IpAddr& client, Be16 client_port);
// Hash of client address and port for maglev.
uint32_t flow_hash(const IpAddr& client, Be16 client_port);

}  // namespace millrace
