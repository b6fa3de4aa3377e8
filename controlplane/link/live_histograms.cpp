#include "controlplane/link/live_histograms.h"

#include <numeric>

namespace millrace::control {

uint64_t HandshakesLive::count() const { return std::accumulate(buckets.begin(), buckets.end(), uint64_t{0}); }

uint64_t HandshakesLive::count_below(uint32_t end_us) const {
  return std::accumulate(buckets.begin(), buckets.begin() + handshake_bucket(end_us), uint64_t{0});
}

std::optional<uint32_t> HandshakesLive::quantile_us(double share) const {
  const uint64_t total = count();
  if (total == 0) return std::nullopt;
  const double wanted = share * static_cast<double>(total);
  double before = 0;
  uint32_t begin_us = 0;
  for (uint32_t bucket = 0; bucket + 1 < kHandshakeBuckets; ++bucket) {
    const auto here = static_cast<double>(buckets[bucket]);
    const uint32_t end_us = handshake_bucket_end_us(bucket);
    if (here > 0 && before + here >= wanted)
      return begin_us + static_cast<uint32_t>((wanted - before) / here * (end_us - begin_us));
    before += here;
    begin_us = end_us;
  }
  return begin_us;
}

HandshakesLive sum_handshakes(const Segment& segment, BackendSlot slot) {
  HandshakesLive sum;
  if (raw(slot) >= kBackendMax) return sum;
  for (uint32_t worker = 0; worker < segment.worker_count(); ++worker) {
    const BackendHandshakes& part = segment.backend_handshakes(worker, raw(slot));
    if (part.answered.read() == 0) continue;
    sum.sum_us += part.sum_us.read();
    for (uint32_t bucket = 0; bucket < kHandshakeBuckets; ++bucket)
      sum.buckets[bucket] += part.buckets[bucket].load(std::memory_order_relaxed);
  }
  return sum;
}

LifetimesLive sum_lifetimes(const Segment& segment, ServiceSlot slot) {
  LifetimesLive sum;
  if (raw(slot) >= kServiceMax) return sum;
  for (uint32_t worker = 0; worker < segment.worker_count(); ++worker) {
    const ServiceLifetimes& part = segment.service_lifetimes(worker, raw(slot));
    sum.sum_ms += part.sum_ms.read();
    for (uint32_t bucket = 0; bucket < kLifetimeBuckets; ++bucket) sum.buckets[bucket] += part.buckets[bucket].read();
  }
  return sum;
}

}  // namespace millrace::control
