// flow_log.h: [flow_log]: a line for each connection that has ended.
// Route:  tell_flow (dataplane/stages/flow_log.h) > flow ring |segment| FlowLog::drain > flow_line > FlowSink
// Thread: the event loop.
// Bound:  [flow_log] rate lines a second, a second's worth at once; kFlowsPerTurn records a worker and turn.
// Fails:  never: what is not written is counted.      Tests: tests/unit/control/flow_log_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/flow_log/flow_line.h"
#include "controlplane/flow_log/flow_sink.h"
#include "controlplane/link/segment_join.h"
#include "millrace/flow_ring.h"

namespace millrace::control {

inline constexpr unsigned kFlowsPerTurn = 4096;

struct FlowCounts {
  uint64_t written = 0;
  uint64_t over_rate = 0;  // left out because of `rate`
  uint64_t lost = 0;       // the disk or syslog was too slow, or refused
  uint64_t malformed = 0;  // the dataplane said what cannot be
};

class FlowLog {
 public:
  // Opens what `config` names unless it is open. False: why in `problem`, and nothing is logged.
  bool configure(const config::FlowLogConfig& config, std::string& problem);
  // Opens it anew: a log that was rotated goes on in the new file. Waits until what was said before is written.
  bool reopen(std::string& problem);
  bool is_on() const { return sink_ != nullptr; }

  // Logs what workers have told since. `segment` may be null.
  void drain(const std::shared_ptr<const Segment>& segment, const ClockPair& now);

  FlowCounts counts() const;

 private:
  void join(const std::shared_ptr<const Segment>& segment);
  void log(const FlowRecord& flow, WorkerIndex worker, const ClockPair& now);
  const std::string& name_of(ServiceSlot slot);
  void earn(uint64_t now_ms);

  config::FlowLogConfig config_;
  std::unique_ptr<FlowSink> sink_;
  uint64_t lost_before_ = 0;  // by sinks of the past
  FlowCounts counts_;
  double lines_left_ = 0;
  uint64_t earned_ms_ = 0;
  std::shared_ptr<const Segment> segment_;
  std::vector<FlowRing> rings_;                         // by worker
  std::unordered_map<uint16_t, std::string> services_;  // by slot; of one turn
};

}  // namespace millrace::control
