// timer_wheel.h: ends idle connections without per-packet timer work.
// Route:  worker_run > advance_wheel > close_connection
// Thread: owning worker only; nothing shared.
// Memory: fixed at start, 8 bytes a slab entry and 4 a slot.
// Bound:  <= 64 due entries a call; the rest next call (returns true, counter timer_behind).
// Holds:  a connection sits in exactly one slot, or in none.
// Fails:  never.      Tests: tests/unit/conn/timer_wheel_test.cpp
#pragma once

#include <cstdint>
#include <memory>

#include "millrace/ids.h"

namespace millrace {

// Milliseconds of CLOCK_MONOTONIC, low 32 bits; compare with ms_after, it wraps every 49.7 days.
using Ms = uint32_t;
constexpr bool ms_after(Ms a, Ms b) { return static_cast<int32_t>(a - b) > 0; }

class TimerWheel {
 public:
  static constexpr unsigned kTickMs = 128;      // coarse: timeouts are seconds to days
  static constexpr unsigned kSlotCount = 8192;  // one turn is 17.5 minutes; longer timeouts go round again
  static constexpr unsigned kExpiriesPerCall = 64;

  TimerWheel(ConnIndex first, uint32_t count, Ms now_ms);

  // Puts (or moves) the entry to the slot of `due_ms`; at the latest one turn from now, at the earliest next tick.
  // It is never early; it is late by up to two ticks. `due_ms` is within 24 days of now, before or after.
  void arm(ConnIndex index, Ms due_ms);
  void cancel(ConnIndex index);  // not armed: nothing happens

  // Calls `on_due(index)` for entries whose slot has passed, each unarmed by then; on_due may arm or cancel any.
  // Returns true when due entries were left for the next call.
  template <typename OnDue>
  bool advance(Ms now_ms, OnDue&& on_due) {
    unsigned expired = 0;
    while (static_cast<int32_t>(now_ms - tick_ms_) >= static_cast<int32_t>(kTickMs)) {
      const uint32_t slot = (tick_ms_ / kTickMs) % kSlotCount;
      while (heads_[slot] != kNone) {
        if (expired++ == kExpiriesPerCall) return true;
        const uint32_t local = heads_[slot];
        unlink(local);
        on_due(static_cast<ConnIndex>(raw(first_) + local));
      }
      tick_ms_ += kTickMs;
    }
    return false;
  }

 private:
  static constexpr uint32_t kNone = 0xffff'ffff;
  struct Links {
    uint32_t next = kNone;
    uint32_t previous = kNone;  // kHead | slot when first of its slot
  };
  static constexpr uint32_t kHead = 0x8000'0000;
  void unlink(uint32_t local);

  ConnIndex first_;
  std::unique_ptr<Links[]> links_;
  std::unique_ptr<uint32_t[]> heads_;
  Ms tick_ms_;  // start of the slot that is next to be emptied, a multiple of kTickMs
};

}  // namespace millrace
