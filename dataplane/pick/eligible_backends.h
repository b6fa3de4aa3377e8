// eligible_backends.h: what workers must know of a backend at once, before any table is rebuilt. By BackendSlot.
// Writer: main lcore. Readers: workers, relaxed: each cell stands for itself.
// Memory: 320 KiB, made at start.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "millrace/ids.h"
#include "millrace/limits.h"

namespace millrace {

enum class BackendStanding : uint8_t {
  closed = 0,    // no new connections; it keeps what it has
  eligible = 1,  // new connections
  lost = 2,      // down or disabled: no new ones, and UDP sessions move off it with their next datagram
};

class EligibleBackends {
 public:
  EligibleBackends()
      : standings_(new std::atomic<BackendStanding>[kBackendMax]()),
        warming_since_ms_(new std::atomic<uint32_t>[kBackendMax]()) {}

  bool read(BackendSlot slot) const { return standing(slot) == BackendStanding::eligible; }
  bool is_lost(BackendSlot slot) const { return standing(slot) == BackendStanding::lost; }
  void set(BackendSlot slot, BackendStanding standing) {
    standings_[raw(slot)].store(standing, std::memory_order_relaxed);
  }
  void set(BackendSlot slot, bool eligible) {
    set(slot, eligible ? BackendStanding::eligible : BackendStanding::closed);
  }

  // Slow start: when its share began to grow, low 32 bits of CLOCK_MONOTONIC in ms; 0: it has its whole share.
  uint32_t warming_since_ms(BackendSlot slot) const {
    return warming_since_ms_[raw(slot)].load(std::memory_order_relaxed);
  }
  void set_warming(BackendSlot slot, uint32_t since_ms) {
    warming_since_ms_[raw(slot)].store(since_ms, std::memory_order_relaxed);
  }

 private:
  BackendStanding standing(BackendSlot slot) const { return standings_[raw(slot)].load(std::memory_order_relaxed); }

  std::unique_ptr<std::atomic<BackendStanding>[]> standings_;
  std::unique_ptr<std::atomic<uint32_t>[]> warming_since_ms_;
};

}  // namespace millrace
