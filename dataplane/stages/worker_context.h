// worker_context.h: everything one worker has at hand; the stages share it.
// Thread: owning worker, but for what it points to in ProcessState.
// Memory: about 1 MiB besides its tables; made once, never grows.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/conn/conn_table.h"
#include "dataplane/conn/slab.h"
#include "dataplane/conn/snat_ports.h"
#include "dataplane/conn/timer_wheel.h"
#include "dataplane/pick/pick_backend.h"
#include "dataplane/pick/rate_limiter.h"
#include "dataplane/process_state.h"
#include "dataplane/stages/answer_budget.h"
#include "dataplane/stages/burst.h"
#include "dataplane/stages/clock.h"
#include "dataplane/stages/datagram_table.h"
#include "dataplane/stages/hello_store.h"
#include "dataplane/stages/hold_queue.h"
#include "dataplane/stages/path_mtu.h"
#include "dataplane/stages/punt.h"
#include "dataplane/stages/stage_watch.h"
#include "dataplane/stages/syn_answer.h"
#include "dataplane/stages/syn_gate.h"
#include "dataplane/stages/untag.h"
#include "millrace/counters.h"
#include "millrace/histogram.h"

namespace millrace {

// Where packets come from: a queue of a NIC, of the TAP that is a NIC's kernel side, or another worker.
enum class SourceKind : uint8_t { nic, kernel, worker };
struct RxSource {
  SourceKind kind{};
  PortIndex port{};  // nic, kernel
  uint16_t dpdk_port = kNoDpdkPort;
  uint16_t queue = 0;
  rte_ring* ring = nullptr;  // worker
  // nic: several ports, or one with a VLAN, have the device. `port` is the one without a tag then, if there is one.
  const VlanPorts* vlans = nullptr;
};

// A transmit queue, and what this burst has for it.
struct TxTarget {
  uint16_t dpdk_port = kNoDpdkPort;
  uint16_t queue = 0;
  WorkerIndex owner{};     // who alone may send on it; frames go there by hand-over when that is not us
  bool to_kernel = false;  // a TAP: what it takes counts as diverted, not as sent
  uint16_t vlan = 0;       // the tag that its frames get; 0: none
  uint32_t count = 0;
  std::array<rte_mbuf*, kBurstMax> mbufs{};
};
// Four a port: its NIC and its TAP, and both for whole frames, which have the tags that they shall have.
constexpr uint8_t nic_target(PortIndex port) { return static_cast<uint8_t>(raw(port) * 4); }
constexpr uint8_t kernel_target(PortIndex port) { return static_cast<uint8_t>(raw(port) * 4 + 1); }
constexpr uint8_t whole_nic_target(PortIndex port) { return static_cast<uint8_t>(raw(port) * 4 + 2); }
constexpr uint8_t whole_kernel_target(PortIndex port) { return static_cast<uint8_t>(raw(port) * 4 + 3); }
inline constexpr unsigned kTxTargetMax = kPortMax * 4;

// What every packet needs of the port that it came in by or leaves by.
struct PortFacts {
  uint64_t mac_word = 0;  // in its lower 48 bits, as it lies in memory
  uint32_t mtu_bytes = 0;
  bool shares_wire = false;  // frames turn up that are not to this host; see is_for_this_host
};

// What goes to one other worker with this burst.
struct HandoverBuffer {
  rte_ring* ring = nullptr;
  uint32_t count = 0;
  std::array<rte_mbuf*, kBurstMax> mbufs{};
};

// Where evict.cpp looks for an idle connection next.
struct IdleHand {
  uint32_t place = 0;  // in our share of the slab
  Ms due_ms = 0;       // before it no lap begins
};

struct Worker {
  Worker(ProcessState& process, WorkerIndex index);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  ProcessState& state;
  const WorkerIndex self;
  WorkerCounters& counters;
  ServiceCounters* const service_counters;      // by ServiceSlot
  BackendCounters* const backend_counters;      // by BackendSlot
  BackendHandshakes* const backend_handshakes;  // by BackendSlot
  ServiceLifetimes* const service_lifetimes;    // by ServiceSlot
  FlowRing* const flow_ring;                    // null: there is none

  WorkerClock clock;
  Slab slab;
  ConnTable table;
  TimerWheel wheel;
  SnatPorts snat_ports;
  OpenCounts::Row& open_counts;
  PickState pick;
  RateLimiter rate_limiter;
  HoldQueue held;
  DatagramTable datagrams;
  PathMtus path_mtus;
  Splice* const splices;  // by ConnIndex; null: no service is proxied
  SynCookies cookies;
  HelloStore hellos;
  HostMatcher host_matcher;
  SynAnswers syn_answers;
  SynGates syn_gates;
  // By BackendSlot: its last SYN-ACK had timestamps. Until it is known a backend is told a smaller MSS, so that there is
  // room to add them (splice_timestamps.h).
  std::bitset<kBackendMax> has_timestamps;

  // Read once a turn; good until the worker is quiescent.
  const Snapshot* snapshot = nullptr;
  const RouteTable* routes = nullptr;

  Splice& splice(ConnIndex index) { return splices[raw(index)]; }

  // A bulk lookup is as old as the start of its burst; these say when a packet must be looked up again.
  bool opened_in_burst = false;
  bool closed_in_burst = false;
  bool any_lost = false;  // of the snapshot, read once a burst: it lies beside what is read of every packet

  std::vector<std::unique_ptr<VlanPorts>> vlan_ports;  // of devices that have VLANs
  std::vector<RxSource> sources;
  unsigned source_next = 0;  // who is polled first, in turn
  Burst burst;

  std::array<PortFacts, kPortMax> port_facts;  // by PortIndex
  uint32_t mtu_bytes_min = 0;                  // of all ports
  std::array<TxTarget, kTxTargetMax> tx;
  uint64_t tx_dirty = 0;  // bit i: tx[i] has packets
  static_assert(kTxTargetMax <= 64);
  std::vector<HandoverBuffer> handover;  // by WorkerIndex
  bool handover_dirty = false;

  IdleHand idle_hand;

  bool expiries_left = false;  // the wheel is behind: the next turn goes on with it

  AnswerBudget icmp_answers;
  PuntGate punts;
  AnswerBudget challenges;  // RFC 5961 section 7

  Generation announced_generation = 0;  // whose addresses are being told or were told
  uint32_t announce_next = 0;           // row of its address list

  uint64_t start_tsc = 0;
  uint64_t turn_tsc = 0;                     // when the present turn began
  bool turn_had_packets = false;             // the turn before this one, while the next begins
  uint32_t turns_to_timed = kTurnsPerTimed;  // so many turns with packets pass untimed
};

}  // namespace millrace
