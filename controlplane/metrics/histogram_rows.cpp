#include "controlplane/metrics/histogram_rows.h"

#include <fmt/format.h>

#include <string>

namespace millrace::control {
namespace {

constexpr uint32_t latency_bound_us(uint32_t bound) { return 256u << (2 * bound); }
static_assert(latency_bound_us(kLatencyBounds - 1) == handshake_bucket_end_us(kHandshakeBuckets - 2));

std::array<std::string, kLatencyBounds> latency_bound_texts() {
  std::array<std::string, kLatencyBounds> texts;
  for (uint32_t bound = 0; bound < kLatencyBounds; ++bound)
    texts[bound] = fmt::format("{}", latency_bound_us(bound) / 1e6);
  return texts;
}

}  // namespace

LatencyRow latency_row(const HandshakesLive& live) {
  LatencyRow row;
  for (uint32_t bound = 0; bound < kLatencyBounds; ++bound)
    row.below[bound] = live.count_below(latency_bound_us(bound));
  row.count = live.count();
  row.sum_us = live.sum_us;
  return row;
}

void add_latency(TextFormat& text, std::string_view labels, const LatencyRow& row) {
  static const std::array<std::string, kLatencyBounds> kTexts = latency_bound_texts();
  for (uint32_t bound = 0; bound < kLatencyBounds; ++bound) text.bucket(labels, kTexts[bound], row.below[bound]);
  text.end_histogram(labels, static_cast<double>(row.sum_us) / 1e6, row.count);
}

void add_lifetimes(TextFormat& text, std::string_view labels, const LifetimesLive& live) {
  uint64_t count = 0;
  for (uint32_t bucket = 0; bucket + 1 < kLifetimeBuckets; ++bucket) {
    count += live.buckets[bucket];
    text.bucket(labels, fmt::format("{}", static_cast<double>(lifetime_bucket_end_ms(bucket)) / 1e3), count);
  }
  count += live.buckets[kLifetimeBuckets - 1];
  text.end_histogram(labels, static_cast<double>(live.sum_ms) / 1e3, count);
}

}  // namespace millrace::control
