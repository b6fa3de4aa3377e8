// stage_watch.h: where the cycles of a turn went, in the few turns that are timed.
// Route:  worker_turn > run_stages > StageWatch::ended after each stage > StageWatch::record
// Thread: owning worker.
// Holds:  a turn without packets leaves no trace. Every stage's figure has one reading of the clock in it.
// Tests:  tests/unit/stages/stage_watch_test.cpp
#pragma once

#include <immintrin.h>
#include <rte_cycles.h>

#include <array>
#include <cstdint>

#include "millrace/counters.h"

namespace millrace {

// So many turns with packets pass between two timed ones. With the timed one that is a prime, 251: it keeps step
// neither with the sources, polled first in turn, nor with whatever else comes in twos. A timed turn costs some 400
// cycles more than the others: spread over 251 turns, 0.6% of turns with a single packet and 0.02% of full bursts.
inline constexpr uint32_t kTurnsPerTimed = 250;

// The loads of a stage are its own: none of them is still under way when the next one's time begins.
inline uint64_t tsc_after_loads() {
  _mm_lfence();
  return rte_rdtsc();
}

// Of the turns that are not timed: nothing, and the compiler leaves nothing of it.
template <bool kTimed>
class StageWatch {
 public:
  void ended(Stage) {}
  void record(WorkerCounters&, unsigned, unsigned) {}
};

template <>
class StageWatch<true> {
 public:
  // The stage that ran since the one before it ended.
  void ended(Stage stage) {
    const uint64_t tsc = tsc_after_loads();
    cycles_[static_cast<unsigned>(stage)] = tsc - last_tsc_;
    last_tsc_ = tsc;
  }

  // At the end, so that cache misses on the counters are no stage's. `taken`: packets from ports and rings;
  // `in_burst`: those of them that all stages saw.
  void record(WorkerCounters& counters, unsigned taken, unsigned in_burst) const {
    if (taken == 0) return;
    for (unsigned i = 0; i < kStageCount; ++i) {
      const auto stage = static_cast<Stage>(i);
      const bool sees_all = stage == Stage::poll || stage == Stage::transmit || stage == Stage::house;
      counters.stages[i].cycles.add(cycles_[i]);
      counters.stages[i].packets.add(sees_all ? taken : in_burst);
    }
  }

 private:
  std::array<uint64_t, kStageCount> cycles_{};
  uint64_t last_tsc_ = tsc_after_loads();
};

}  // namespace millrace
