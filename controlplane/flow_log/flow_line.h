// flow_line.h: a connection that has ended, as the line of JSON that the flow log has of it.
// Thread: any; pure.      Tests: tests/unit/control/flow_log_test.cpp
#pragma once

#include <cstdint>
#include <string>

#include "millrace/flow_record.h"
#include "millrace/ids.h"

namespace millrace::control {

// Both clocks at one moment, so that a worker's times can be told in the operator's.
struct ClockPair {
  uint64_t monotonic_ms = 0;
  int64_t unix_ms = 0;
};

// Whether every field is one that a worker may say.
bool is_valid_flow(const FlowRecord& flow);

// How it ended: closed, half_closed, reset, idle, unanswered (by its backend), unfinished (its handshake), evicted,
// replaced. docs/metrics.md says what they mean.
const char* flow_end_name(const FlowRecord& flow);

// Without the line's end. `service`: its name, empty where nobody knows it any more.
std::string flow_line(const FlowRecord& flow, const std::string& service, WorkerIndex worker, const ClockPair& now);

}  // namespace millrace::control
