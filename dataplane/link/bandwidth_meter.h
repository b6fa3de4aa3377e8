// bandwidth_meter.h: what the backends of leastbandwidth services carry, from the bytes that workers count.
// Thread: main lcore.
// Memory: 1.5 MiB, made at start.
// Cost:   a counter of each worker for every such backend, ten times a second.
// Tests:  tests/unit/link/bandwidth_meter_test.cpp
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/link/desired_model.h"
#include "dataplane/pick/bandwidths.h"
#include "millrace/counters.h"

namespace millrace {

// The average of the past, each moment weighing less by 1/e for every such time that went by since.
inline constexpr uint32_t kBandwidthForgottenMs = 2'000;

class BandwidthMeter {
 public:
  // `rows`: by BackendSlot, one a worker.
  BandwidthMeter(std::span<const BackendCounters* const> rows, Bandwidths& bandwidths);

  // With slots. A backend that the last call did not measure begins at nothing.
  void measure(const DesiredModel& model, uint64_t now_ms);

 private:
  struct Sample {
    uint64_t bytes = 0;
    uint64_t at_ms = 0;  // 0: never
    double bits_per_s = 0;
  };
  void measure(BackendSlot slot, uint64_t now_ms);

  std::span<const BackendCounters* const> rows_;
  Bandwidths& bandwidths_;
  std::vector<Sample> samples_;  // by BackendSlot
  uint64_t last_ms_ = 0;
};

}  // namespace millrace
