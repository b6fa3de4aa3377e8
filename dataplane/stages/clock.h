// clock.h: milliseconds of CLOCK_MONOTONIC from the TSC, so that a burst costs one TSC read and no call.
// Thread: owning worker.
// Holds:  now_ms() never goes back. The anchor is moved once a second, which bounds the drift between the two clocks.
// Tests:  tests/unit/stages/clock_test.cpp
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/conn/timer_wheel.h"

namespace millrace {

class WorkerClock {
 public:
  WorkerClock(uint64_t tsc_hz, uint64_t tsc, uint64_t monotonic_ms)
      : tsc_hz_(tsc_hz), cycles_per_ms_(std::max<uint64_t>(tsc_hz / 1000, 1)), now_ms_(monotonic_ms) {
    anchor(tsc, monotonic_ms);
  }

  // True when a new millisecond began.
  bool advance(uint64_t tsc) {
    if (static_cast<int64_t>(tsc - next_ms_tsc_) < 0) return false;
    const uint64_t passed_ms = (tsc - anchor_tsc_) / cycles_per_ms_;
    next_ms_tsc_ = anchor_tsc_ + (passed_ms + 1) * cycles_per_ms_;
    now_ms_ = std::max(now_ms_, anchor_ms_ + passed_ms);
    return true;
  }

  bool anchor_is_old(uint64_t tsc) const { return tsc - anchor_tsc_ >= tsc_hz_; }
  // `monotonic_ms` was read at about `tsc`.
  void anchor(uint64_t tsc, uint64_t monotonic_ms) {
    anchor_tsc_ = tsc;
    anchor_ms_ = monotonic_ms;
    next_ms_tsc_ = tsc;
  }

  uint64_t now_ms() const { return now_ms_; }
  Ms now32_ms() const { return static_cast<Ms>(now_ms_); }

 private:
  uint64_t tsc_hz_;
  uint64_t cycles_per_ms_;
  uint64_t anchor_tsc_ = 0;
  uint64_t anchor_ms_ = 0;
  uint64_t next_ms_tsc_ = 0;
  uint64_t now_ms_;
};

}  // namespace millrace
