// bandwidth.h: bytes a second of each backend, from two readings of its counters.
// Thread: the event loop.
// Memory: 40 B a row of the directory, used or not.      Tests: tests/unit/control/metrics_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "controlplane/link/segment_join.h"
#include "millrace/ids.h"

namespace millrace::control {

struct Bandwidth {
  double forward_bytes = 0;  // per second, client to backend
  double reverse_bytes = 0;
};

class BandwidthSampler {
 public:
  // Takes a reading; null: there is no dataplane. A new segment starts over, and so does a slot that another backend got.
  void sample(std::shared_ptr<const Segment> segment, uint64_t now_ms);
  // 0 until there were two readings.
  Bandwidth of(BackendSlot slot) const;

 private:
  struct Reading {
    bool known = false;
    uint64_t forward_bytes = 0;
    uint64_t reverse_bytes = 0;
    Bandwidth rate;
  };
  std::shared_ptr<const Segment> segment_;
  std::vector<Reading> readings_;  // by slot
  uint64_t last_ms_ = 0;
};

}  // namespace millrace::control
