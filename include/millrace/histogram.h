// histogram.h: histograms in the shared segment: how long handshakes with backends take, how long connections live.
// Writer: the worker of the row. Readers: anyone, in place. Monotonic; zeroed when their slot changes hands, as counters.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "millrace/counters.h"

namespace millrace {

// From the first SYN to the SYN-ACK, in us: below 16 us, four buckets an octave up to 4.2 s, and all that is longer.
// A quarter of an octave tells 100 us from 120; finer ones would cost each of 65,535 slots of every worker more.
inline constexpr uint32_t kHandshakeBuckets = 74;
inline constexpr uint32_t kHandshakeUsLeast = 16;
inline constexpr uint32_t kHandshakeOctaves = 18;
static_assert(kHandshakeBuckets == 1 + 4 * kHandshakeOctaves + 1);

constexpr uint32_t handshake_bucket(uint32_t us) {
  if (us < kHandshakeUsLeast) return 0;
  const auto octave = static_cast<uint32_t>(std::bit_width(us)) - 5;
  if (octave >= kHandshakeOctaves) return kHandshakeBuckets - 1;
  return 1 + 4 * octave + ((us >> (octave + 2)) & 3);
}
// The first time that is too long for the bucket. Not of the last, which takes everything.
constexpr uint32_t handshake_bucket_end_us(uint32_t bucket) {
  if (bucket == 0) return kHandshakeUsLeast;
  const uint32_t octave = (bucket - 1) / 4;
  return (4 + (bucket - 1) % 4 + 1) << (octave + 2);
}

// One per (worker, BackendSlot). TCP of modes whose replies come by.
struct alignas(64) BackendHandshakes {
  Counter answered;  // SYN-ACKs: the sum of all buckets
  Counter sum_us;
  std::atomic<uint32_t> buckets[kHandshakeBuckets];  // one that is full stays full
  uint32_t reserved[2];

  // Writer only.
  void add(uint32_t us) {
    answered.add(1);
    sum_us.add(us);
    std::atomic<uint32_t>& bucket = buckets[handshake_bucket(us)];
    const uint32_t count = bucket.load(std::memory_order_relaxed);
    bucket.store(count == UINT32_MAX ? count : count + 1, std::memory_order_relaxed);
  }
  // The main lcore's, while no worker has the slot.
  void clear() {
    answered.set(0);
    sum_us.set(0);
    for (std::atomic<uint32_t>& bucket : buckets) bucket.store(0, std::memory_order_relaxed);
  }
};
static_assert(sizeof(BackendHandshakes) == 320 && std::is_standard_layout_v<BackendHandshakes>);

// From a connection's first packet to its last, in ms: below 1, 4, 16 … 4^13 ms (18 h), and all that is longer.
inline constexpr uint32_t kLifetimeBuckets = 15;

constexpr uint32_t lifetime_bucket(uint32_t ms) {
  return std::min((static_cast<uint32_t>(std::bit_width(ms)) + 1) / 2, kLifetimeBuckets - 1);
}
// The first lifetime that is too long for the bucket. Not of the last, which takes everything.
constexpr uint64_t lifetime_bucket_end_ms(uint32_t bucket) { return uint64_t{1} << (2 * bucket); }

// One per (worker, ServiceSlot).
struct alignas(64) ServiceLifetimes {
  Counter sum_ms;
  Counter buckets[kLifetimeBuckets];

  // Writer only.
  void add(uint32_t ms) {
    sum_ms.add(ms);
    buckets[lifetime_bucket(ms)].add(1);
  }
  // The main lcore's, while no worker has the slot.
  void clear() {
    sum_ms.set(0);
    for (Counter& bucket : buckets) bucket.set(0);
  }
};
static_assert(sizeof(ServiceLifetimes) == 128 && std::is_standard_layout_v<ServiceLifetimes>);

}  // namespace millrace
