// live_counters.h: the segment's counters, summed over workers or by worker. Read in place; nobody is disturbed.
// Thread: any.      Tests: tests/unit/control/segment_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "controlplane/link/segment_join.h"
#include "millrace/counters.h"
#include "millrace/ids.h"

namespace millrace::control {

struct BackendLive {
  uint64_t connections = 0;
  uint64_t active = 0;
  uint64_t forward_packets = 0;
  uint64_t reverse_packets = 0;
  uint64_t forward_bytes = 0;
  uint64_t reverse_bytes = 0;
  uint64_t connect_failures = 0;
  uint64_t resets = 0;
};

struct ServiceLive {
  uint64_t connections = 0;
  uint64_t active = 0;
  uint64_t no_backend = 0;
  uint64_t no_snat_port = 0;
  uint64_t no_slot = 0;
  uint64_t refused = 0;
  uint64_t syn_floods = 0;
  uint64_t backends_full = 0;
  uint64_t service_full = 0;
  uint64_t sessions_moved = 0;
  uint64_t denied = 0;
  uint64_t evicted = 0;
  uint64_t limited = 0;
};

// What one worker took from one port.
struct PortLive {
  uint64_t rx_packets = 0;
  uint64_t handed_over = 0;
};

// A worker's counters as plain numbers.
struct WorkerLive {
#define X(name, unit, sentence) uint64_t name = 0;
  MR_WORKER_COUNTERS(X)
#undef X
  std::array<uint64_t, kDropReasonCount> dropped{};
  std::array<PortLive, kPortMax> ports{};

  uint64_t dropped_total() const;
  uint64_t connections_open() const;
};

// What a worker's timed turns say: cycles and packets by Stage.
struct StageLive {
  uint64_t cycles = 0;
  uint64_t packets = 0;
};
using StagesLive = std::array<StageLive, kStageCount>;

BackendLive sum_backend(const Segment& segment, BackendSlot slot);
ServiceLive sum_service(const Segment& segment, ServiceSlot slot);
std::vector<WorkerLive> read_workers(const Segment& segment);
std::vector<StagesLive> read_stages(const Segment& segment);
// What came between two readings of one segment.
std::vector<StagesLive> stages_between(const std::vector<StagesLive>& was, const std::vector<StagesLive>& is);

}  // namespace millrace::control
