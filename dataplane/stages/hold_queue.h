// hold_queue.h: packets that are ready to leave but for the MAC address of their next hop.
// Thread: owning worker.
// Memory: fixed, kHeldMax entries.
// Bound:  kHeldMax packets in all and kHeldPerHopMax to one next hop, so that a dead one leaves room for others.
// Holds:  oldest first; packets to one next hop leave in the order they came.
// Fails:  add() refuses when a bound is reached (drop reason hold_full).
// Tests:  tests/unit/stages/hold_queue_test.cpp
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/conn/timer_wheel.h"
#include "dataplane/ports/routes.h"

struct rte_mbuf;

namespace millrace {

inline constexpr unsigned kHeldMax = 512;  // a burst or eight while backends are resolved after a start
inline constexpr unsigned kHeldPerHopMax = 64;
inline constexpr Ms kHoldMs = 3000;  // three tries of the kernel's, one a second

class HoldQueue {
 public:
  enum class Added : uint8_t { first_of_hop, another, refused };
  enum class Verdict : uint8_t { keep, gone };

  Added add(rte_mbuf* mbuf, const RouteHop& hop, Ms now_ms) {
    if (count_ == kHeldMax) return Added::refused;
    unsigned same_hop = 0;
    for (unsigned i = 0; i < count_; ++i)
      same_hop += held_[i].hop.port == hop.port && held_[i].hop.next_hop == hop.next_hop;
    if (same_hop >= kHeldPerHopMax) return Added::refused;
    held_[count_++] = Held{mbuf, hop, now_ms + kHoldMs};
    return same_hop == 0 ? Added::first_of_hop : Added::another;
  }

  // Calls `decide(mbuf, hop, overdue)` for every packet, oldest first; `gone` takes it out of the queue.
  template <typename Decide>
  void sweep(Ms now_ms, Decide&& decide) {
    unsigned kept = 0;
    for (unsigned i = 0; i < count_; ++i) {
      const bool overdue = !ms_after(held_[i].deadline_ms, now_ms);
      if (decide(held_[i].mbuf, held_[i].hop, overdue) == Verdict::keep) held_[kept++] = held_[i];
    }
    count_ = kept;
  }

  unsigned count() const { return count_; }

 private:
  struct Held {
    rte_mbuf* mbuf = nullptr;
    RouteHop hop;
    Ms deadline_ms = 0;
  };
  std::array<Held, kHeldMax> held_;
  unsigned count_ = 0;
};

}  // namespace millrace
