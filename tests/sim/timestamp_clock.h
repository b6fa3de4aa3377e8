// timestamp_clock.h: one end's timestamps (RFC 7323): what it sent, and what it saw last.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/sim/place.h"
#include "tests/sim/script.h"

namespace millrace::sim {

class TimestampClock {
 public:
  explicit TimestampClock(const EndScript& script) : start_(script.timestamp_start), hz_(script.timestamp_hz) {}

  // For a segment that goes out now.
  uint32_t value(VirtualMs now_ms) {
    if (sent_.empty()) origin_ms_ = now_ms;
    const uint64_t ticks = (now_ms - origin_ms_) * hz_ / 1000;
    if (sent_.empty() || sent_.back() != ticks) sent_.push_back(ticks);
    return start_ + static_cast<uint32_t>(ticks);
  }
  bool was_sent(uint32_t value) const {
    if (sent_.empty()) return false;
    // Within a run, ticks stay far below 2^31 of each other.
    const auto ticks =
        static_cast<uint64_t>(static_cast<int64_t>(sent_.back()) +
                              static_cast<int32_t>(value - start_ - static_cast<uint32_t>(sent_.back())));
    return std::ranges::binary_search(sent_, ticks);
  }
  bool has_wrapped() const {
    return !sent_.empty() &&
           start_ + static_cast<uint32_t>(sent_.back()) < start_ + static_cast<uint32_t>(sent_.front());
  }

  // The peer's, to be echoed.
  uint32_t recent() const { return recent_; }
  VirtualMs recent_since_ms() const { return recent_since_ms_; }
  bool is_old(uint32_t value) const { return static_cast<int32_t>(value - recent_) < 0; }
  void take(uint32_t value, VirtualMs now_ms) {
    if (value != recent_) recent_since_ms_ = now_ms;
    recent_ = value;
  }

 private:
  uint32_t start_;
  uint64_t hz_;
  VirtualMs origin_ms_ = 0;     // it begins with the connection, so that each wraps when its script says
  std::vector<uint64_t> sent_;  // ticks, each once, growing
  uint32_t recent_ = 0;
  VirtualMs recent_since_ms_ = 0;
};

}  // namespace millrace::sim
