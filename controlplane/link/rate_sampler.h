// rate_sampler.h: rates per worker from two readings of its counters, about a second apart.
// Thread: the event loop.      Tests: tests/unit/control/segment_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "controlplane/link/live_counters.h"
#include "controlplane/link/segment_join.h"

namespace millrace::control {

struct PortRate {
  double rx_packets = 0;  // per second
  double handed_over = 0;
};

struct WorkerRate {
  double rx_packets = 0;  // per second
  double tx_packets = 0;
  double rx_bits = 0;
  double tx_bits = 0;
  double connections = 0;  // opened
  double drops = 0;
  double handed_in = 0;
  double handed_out = 0;
  double busy_ratio = 0;  // of the worker's cycles, those spent in turns that had a packet: 0 .. 1
  std::array<PortRate, kPortMax> ports{};
};

class RateSampler {
 public:
  // Takes a reading; null: there is no dataplane. A new segment starts over.
  void sample(std::shared_ptr<const Segment> segment, uint64_t now_ms);
  // One row per worker; empty until there were two readings of this segment.
  const std::vector<WorkerRate>& rates() const { return rates_; }

 private:
  std::shared_ptr<const Segment> segment_;
  std::vector<WorkerLive> last_;
  uint64_t last_ms_ = 0;
  std::vector<WorkerRate> rates_;
};

}  // namespace millrace::control
