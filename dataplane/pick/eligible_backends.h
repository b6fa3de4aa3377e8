// eligible_backends.h: what workers must know of a backend at once, before any table is rebuilt. By BackendSlot.
// Writer: main lcore. Readers: workers, relaxed: each cell stands for itself.
// Memory: 384 KiB, made at start.
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
  trial = 3,     // new connections, a part of its share: see trial()
};

class EligibleBackends {
 public:
  EligibleBackends()
      : standings_(new std::atomic<BackendStanding>[kBackendMax]()),
        trials_(new std::atomic<uint8_t>[kBackendMax]()),
        warming_since_ms_(new std::atomic<uint32_t>[kBackendMax]()) {}

  bool read(BackendSlot slot) const {
    const BackendStanding now = standing(slot);
    return now == BackendStanding::eligible || now == BackendStanding::trial;
  }
  bool has_whole_share(BackendSlot slot) const { return standing(slot) == BackendStanding::eligible; }
  bool is_lost(BackendSlot slot) const { return standing(slot) == BackendStanding::lost; }
  void set(BackendSlot slot, BackendStanding standing) {
    standings_[raw(slot)].store(standing, std::memory_order_relaxed);
  }
  void set(BackendSlot slot, bool eligible) {
    set(slot, eligible ? BackendStanding::eligible : BackendStanding::closed);
  }

  // In 1/256 of its share, while its standing is `trial`.
  uint32_t trial(BackendSlot slot) const { return trials_[raw(slot)].load(std::memory_order_relaxed); }
  void set_trial(BackendSlot slot, uint8_t share) { trials_[raw(slot)].store(share, std::memory_order_relaxed); }
  bool is_on_trial(BackendSlot slot) const { return standing(slot) == BackendStanding::trial; }

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
  std::unique_ptr<std::atomic<uint8_t>[]> trials_;
  std::unique_ptr<std::atomic<uint32_t>[]> warming_since_ms_;
};

}  // namespace millrace
