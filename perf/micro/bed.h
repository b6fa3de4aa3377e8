// bed.h: one real worker on the memory port, with as many established connections as a benchmark wants.
// One service on one VIP, 16 backends on link, clients behind a router; everything comes and goes by one port, as on a
// one-armed load balancer.
// Holds:  every packet of every connection was seen to come out right, once, before anything is timed: addresses,
//         ports and checksums, computed by other code than the dataplane's. Otherwise the constructor throws.
// Memory: per connection 128 B of slab, both table keys, and two frames of traffic().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/process_state.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/worker.h"
#include "perf/micro/memory_port.h"

namespace millrace::perf {

// The process has one pool and one port; made by main() after the EAL.
rte_mempool* packet_pool();
MemoryPort& memory_port();

struct BedOptions {
  Mode mode = Mode::fullnat;
  Proto proto = Proto::udp;
  Family family = Family::ipv4;
  uint32_t flows = 1;
  uint32_t frame_bytes = 64;
  bool operator==(const BedOptions&) const = default;
};

class Bed {
 public:
  explicit Bed(const BedOptions& options);
  ~Bed();
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  Worker& worker() { return *worker_; }
  // Packets of both directions of every connection, in random order.
  const FrameDeck& traffic() const { return traffic_; }
  // Throws when a packet was dropped, diverted or held since the bed was made.
  void check_nothing_lost() const;

 private:
  void make_state();
  void make_snapshot();
  void make_network();
  void open_connections();
  void check_forward(const std::vector<Tuple>& sent);
  std::vector<std::vector<uint8_t>> pass_through(const std::vector<Tuple>& tuples, uint8_t tcp_flags);

  BedOptions options_;
  FrameDeck traffic_;
  std::unique_ptr<WorkerInfo[]> worker_info_;
  std::unique_ptr<WorkerCounters[]> worker_counters_;
  std::unique_ptr<ServiceCounters[]> service_counters_;
  std::unique_ptr<BackendCounters[]> backend_counters_;
  std::unique_ptr<Snapshot> snapshot_;
  std::unique_ptr<RouteTable> routes_;
  ProcessState state_;
  std::unique_ptr<Worker, void (*)(Worker*)> worker_;
};

// The bed of the benchmark that runs now; the one before it is taken down when the options differ.
Bed& bed_for(const BedOptions& options);
void take_down_bed();

}  // namespace millrace::perf
