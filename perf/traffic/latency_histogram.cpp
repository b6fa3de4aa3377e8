#include "perf/traffic/latency_histogram.h"

#include <cmath>

namespace millrace::traffic {

uint64_t LatencyHistogram::upper_edge(unsigned bucket) {
  if (bucket < 2 * kSub) return bucket;
  const unsigned shift = bucket / kSub - 1;
  return ((uint64_t{bucket % kSub} + kSub + 1) << shift) - 1;
}

uint64_t LatencyHistogram::quantile(double q) const {
  const auto rank = static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (unsigned bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= std::max<uint64_t>(rank, 1)) return std::min(upper_edge(bucket), max_);
  }
  return max_;
}

}  // namespace millrace::traffic
