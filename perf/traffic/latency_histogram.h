// latency_histogram.h: counts of durations in log-linear buckets: 32 to a power of two, so that every value is known to
// 3%; exact below 64.
// Thread: one.      Memory: 12 KiB.
// Tests:  tests/unit/traffic/latency_histogram_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace millrace::traffic {

class LatencyHistogram {
 public:
  void add(uint64_t value) {
    ++buckets_[bucket_of(value)];
    ++count_;
    max_ = std::max(max_, value);
  }
  void clear() { *this = LatencyHistogram(); }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  // The value that a share `q` (0 to 1) of all does not exceed: its bucket's upper edge, at most max(); 0 when empty.
  uint64_t quantile(double q) const;

 private:
  static constexpr unsigned kSubBits = 5;
  static constexpr unsigned kSub = 1u << kSubBits;
  static constexpr unsigned kValueBits = 48;

  static unsigned bucket_of(uint64_t value) {
    value = std::min(value, (uint64_t{1} << kValueBits) - 1);
    const auto bits = static_cast<unsigned>(std::bit_width(value | kSub));
    const unsigned shift = bits - kSubBits - 1;
    return shift * kSub + static_cast<unsigned>(value >> shift);
  }
  static uint64_t upper_edge(unsigned bucket);

  std::array<uint64_t, (kValueBits - kSubBits + 1) * kSub> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace millrace::traffic
