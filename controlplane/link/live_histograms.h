// live_histograms.h: the segment's histograms, summed over workers. Read in place; nobody is disturbed.
// Thread: any.      Tests: tests/unit/control/live_histograms_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "controlplane/link/segment_join.h"
#include "millrace/histogram.h"
#include "millrace/ids.h"

namespace millrace::control {

// How long a backend's handshakes took.
struct HandshakesLive {
  uint64_t sum_us = 0;
  std::array<uint64_t, kHandshakeBuckets> buckets{};

  uint64_t count() const;
  // That took less than `end_us`, which is the end of a bucket.
  uint64_t count_below(uint32_t end_us) const;
  // The time that this share of them took at most, 0 < share < 1; within a bucket as if they were spread evenly. Of the
  // last bucket its beginning. nullopt: there were none.
  std::optional<uint32_t> quantile_us(double share) const;
};

// How long a service's connections lived.
struct LifetimesLive {
  uint64_t sum_ms = 0;
  std::array<uint64_t, kLifetimeBuckets> buckets{};
};

HandshakesLive sum_handshakes(const Segment& segment, BackendSlot slot);
LifetimesLive sum_lifetimes(const Segment& segment, ServiceSlot slot);

}  // namespace millrace::control
