// histogram_rows.h: the segment's histograms as Prometheus wants them: counts up to a bound, in seconds, few bounds.
// Thread: any.      Tests: tests/unit/control/metrics_test.cpp
#pragma once

#include <cstdint>

#include "controlplane/link/live_histograms.h"
#include "controlplane/metrics/text_format.h"

namespace millrace::control {

// Every second octave, or 20,000 backends would fill the page with bounds.
inline constexpr uint32_t kLatencyBounds = 8;

// What the page says of a backend's handshakes.
struct LatencyRow {
  std::array<uint64_t, kLatencyBounds> below{};  // 256 us, 1 ms, 4 ms … 4.2 s
  uint64_t count = 0;
  uint64_t sum_us = 0;
};
LatencyRow latency_row(const HandshakesLive& live);

// Samples of the histogram family that was named last.
void add_latency(TextFormat& text, std::string_view labels, const LatencyRow& row);
void add_lifetimes(TextFormat& text, std::string_view labels, const LifetimesLive& live);

}  // namespace millrace::control
