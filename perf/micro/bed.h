// bed.h: real workers on the memory port, with as many established connections as a benchmark wants, configured through
// the dataplane's own publisher.
// Holds:  every packet of every connection was seen to come out right, once, before anything is timed: compared byte
//         for byte with a frame made anew by other code than the dataplane's. Otherwise the constructor throws.
// Memory: per connection its slab entry, table keys and timer, 4 B, and two frames of traffic(); with sequence numbers
//         40 B more, and proxied two splices.
// Thread: one, but for the workers while a benchmark runs them.
#pragma once

#include <sched.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/link/publisher.h"
#include "dataplane/process_state.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/worker.h"
#include "perf/micro/hugepages.h"
#include "perf/micro/memory_port.h"
#include "perf/micro/tcp_ends.h"
#include "perf/micro/translations.h"

namespace millrace::perf {

// The process has one pool for each queue, and one port; made by main() after the EAL.
rte_mempool* packet_pool();
MemoryPort& memory_port();
// Those that the process was started with; its main thread keeps to one of them.
const cpu_set_t& allowed_cpus();

inline constexpr uint32_t kImix = 362;  // its mean: 7 of 64, 4 of 594, 1 of 1518 bytes

struct BedOptions {
  Mode mode = Mode::fullnat;
  Proto proto = Proto::udp;
  Family family = Family::ipv4;
  uint32_t flows = 1;  // a power of two
  uint32_t frame_bytes = 64;
  unsigned workers = 1;
  bool last_owns_all = false;  // no packet belongs to any worker but the last
  bool opened = true;          // false: connections are the benchmark's to open; there is no traffic()
  uint32_t newcomers = 0;      // clients beyond the flows'
  uint32_t room = 0;           // entries that the flows leave free
  uint32_t idle_timeout_ms = 10 * 24 * 3600 * 1000u;
  uint32_t services = 1;        // one that is used, the others to be configured
  uint32_t access_rules = 0;    // of the one that is used; none names a client
  bool deny_newcomers = false;  // besides; `flows` is a multiple of kPortsPerClient
  bool timestamps = false;      // TCP segments have them, as Linux sends them
  // Do segments have sequence numbers? Elsewhere nobody looks at them.
  bool numbered() const { return mode == Mode::proxy || timestamps; }
  bool operator==(const BedOptions&) const = default;
};

class Bed {
 public:
  explicit Bed(const BedOptions& options);
  ~Bed();
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  Worker& worker(unsigned number = 0) { return *workers_[number]; }
  ProcessState& state() { return state_; }
  Publisher& publisher() { return *publisher_; }
  const FlowPlan& plan() const { return plan_; }
  Translations& translations() { return translations_; }
  TcpEnds& ends() { return ends_; }
  // A row of the workers' counters, by the member that names it.
  uint64_t counted(Counter WorkerCounters::*counter) const;
  // Of slab, tables, timers and whatever else grows with the capacity, as allocated.
  double bytes_per_connection() const { return bytes_per_connection_; }

  // All flows, and traffic() with them. The constructor does so unless `opened` is false.
  void open_all();
  void forget_all();
  // Connections of the only worker, at once and without a packet. Throws when one is not open.
  void close(uint32_t first, uint32_t count);

  // What a worker's queue gets: packets of both directions of each of its connections, in random order.
  const FrameDeck& traffic(unsigned worker = 0) const { return traffic_[worker]; }
  // To be called before the first frame of numbered traffic() is played again: what the workers know of sequence numbers
  // is as it was then, so that every segment says something new, as segments do.
  void rewind();

  FrameFields fields_of(const Tuple& tuple, uint8_t tcp_flags, uint32_t frame_bytes = 64) const;
  // A frame as long as it needs to be.
  FrameFields fields_of(const Tuple& tuple, uint8_t tcp_flags, const TcpFields& tcp, uint16_t payload_bytes = 0) const;
  // Plays the deck once on a queue, in full, until every worker is done with it; `sink` sees what comes out.
  void play_through(const FrameDeck& deck, unsigned queue, const MemoryQueue::Sink& sink);
  // Plays the deck once on a queue, in full, and compares what comes out. `first_packets`: of connections that it
  // opens.
  void pass(const FrameDeck& deck, unsigned queue, bool first_packets);
  // Every packet of traffic() once more. Throws when one comes out wrong, or its numbers were not noticed.
  void check_traffic();
  // Throws when a packet was dropped, diverted or held since the bed was made, or handed over where none should be.
  void check_nothing_lost() const;
  // Addresses of a new configuration are none of the benchmark's packets.
  void no_announcements();

 private:
  // With nothing made yet, so that what another constructor throws ends in the destructor.
  explicit Bed(const BedOptions& options, std::nullptr_t);
  void make_state();
  void make_network();
  void make_workers();
  unsigned owner_of(uint32_t connection) const;
  ConnIndex find(uint32_t connection) const;
  void open_connections(uint32_t first, uint32_t count);
  void make_traffic();
  FrameFields frame_of(uint32_t connection, bool from_client, uint32_t frame_bytes);
  void check_splice(const ConnEntry& entry, const Splice& splice) const;

  BedOptions options_;
  FlowPlan plan_;
  Translations translations_;
  TcpEnds ends_;
  std::vector<FrameDeck> traffic_;
  std::vector<Said> said_;       // in traffic(), by connection; numbered() alone
  std::vector<Splice> rewound_;  // before traffic(), by slab entry
  std::unique_ptr<WorkerInfo[]> worker_info_;
  std::unique_ptr<WorkerCounters[]> worker_counters_;
  std::vector<std::unique_ptr<ServiceCounters[]>> service_counters_;
  std::vector<std::unique_ptr<BackendCounters[]>> backend_counters_;
  std::vector<std::unique_ptr<BackendHandshakes[]>> backend_handshakes_;
  std::vector<std::unique_ptr<ServiceLifetimes[]>> service_lifetimes_;
  std::vector<ServiceInfo> service_info_;
  std::vector<BackendInfo> backend_info_;
  std::optional<SectionMemory> slab_memory_;
  std::optional<SectionMemory> splice_memory_;
  ProcessState state_;
  Steering steering_{{}};
  std::unique_ptr<Publisher> publisher_;
  std::vector<std::unique_ptr<Worker, void (*)(Worker*)>> workers_;
  double bytes_per_connection_ = 0;
};

// Throws when the frame is any other than the wanted one.
void check_frame(const uint8_t* frame, uint16_t data_bytes, const FrameFields& wanted);

// The worker's clock goes on by so much at once; the next turn begins a new millisecond, also if that is 0.
void pass_time(Worker& worker, uint32_t ms);

// The bed of the benchmark that runs now; the one before it is taken down when the options differ.
Bed& bed_for(const BedOptions& options);
void take_down_bed();

}  // namespace millrace::perf
