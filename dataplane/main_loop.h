// main_loop.h: what the main lcore does while the workers forward: the control plane's commands, the kernel's news,
// the workers' notes, heartbeats, and freeing what the workers have finished with.
// Thread: main lcore. Sleeps when there is nothing to do; never waits for a worker.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/link/bandwidth_meter.h"
#include "dataplane/link/command_reader.h"
#include "dataplane/link/event_writer.h"
#include "dataplane/link/publisher.h"
#include "dataplane/link/segment_host.h"
#include "dataplane/ports/kernel_monitor.h"
#include "dataplane/ports/steering.h"
#include "dataplane/process_state.h"

namespace millrace {

class MainLoop {
 public:
  MainLoop(ProcessState& state, SegmentHost& segment, KernelMonitor& monitor, Steering& steering, Publisher& publisher);

  // Until `stop` is set.
  void run(const std::atomic<bool>& stop);
  // One turn. True when there was something to do.
  bool turn(uint64_t now_ms);

 private:
  bool read_commands(uint64_t now_ms);
  void obey(const Command& command);
  bool read_notes();
  void follow_kernel(uint64_t now_ms);
  void beat(uint64_t now_ms);

  ProcessState& state_;
  SegmentHost& segment_;
  KernelMonitor& monitor_;
  Steering& steering_;
  Publisher& publisher_;
  CommandReader reader_;
  EventWriter events_;
  BandwidthMeter bandwidth_meter_;
  uint64_t beat_ms_ = 0;
  uint64_t link_check_ms_ = 0;
  uint64_t corrupt_log_ms_ = 0;
};

}  // namespace millrace
