// handshake_times.h: how long backends take from SYN to SYN-ACK, as one worker has seen it; for balance = "fastest".
// Thread: owning worker; nothing shared.
// Memory: 512 KiB a worker, made at start.
// Tests:  tests/unit/pick/handshake_times_test.cpp
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "millrace/ids.h"
#include "millrace/limits.h"

namespace millrace {

// What was not measured for so long may have changed: the next connections find out.
inline constexpr uint32_t kHandshakeForgottenMs = 10'000;
// A refusal is fast and an expired SYN was not answered at all: both count as so slow.
inline constexpr uint32_t kFailedHandshakeUs = 1'000'000;

class HandshakeTimes {
 public:
  HandshakeTimes() : times_(new Time[kBackendMax]()) {}

  // Average in us; 0: unknown.
  uint32_t read(BackendSlot slot, uint32_t now_ms) const {
    const Time& time = times_[raw(slot)];
    return now_ms - time.measured_ms < kHandshakeForgottenMs ? time.average_us : 0;
  }
  // Each counts an eighth, as the smoothed round-trip time of RFC 6298 section 2.
  void add(BackendSlot slot, uint32_t us, uint32_t now_ms) {
    const uint32_t known_us = read(slot, now_ms);
    const int64_t step = (int64_t{us} - known_us) / 8;
    const uint32_t average_us = known_us == 0 ? us : static_cast<uint32_t>(known_us + step);
    times_[raw(slot)] = {std::max(average_us, 1u), now_ms};
  }

 private:
  struct Time {
    uint32_t average_us = 0;
    uint32_t measured_ms = 0;
  };
  std::unique_ptr<Time[]> times_;
};

}  // namespace millrace
