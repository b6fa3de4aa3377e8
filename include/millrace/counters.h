// counters.h: what a worker counts, in the shared segment.
// Writer: exactly one, named at each struct. Readers: anyone, in place, at any time; they never disturb the writer.
// Holds:  monotonic unless marked "gauge"; starts at 0 with each dataplane process.
// Equation, per worker, whenever it is between two bursts:
//   rx_packets + handed_in + originated = tx_packets + handed_out + diverted + absorbed + sum(dropped) + held
// A packet that is answered in place (ARP, ND, echo) is one rx and one tx: nothing is originated for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "millrace/drop_reason.h"
#include "millrace/limits.h"
#include "millrace/stage.h"

namespace millrace {

// A single-writer counter. Relaxed: a reader wants a recent value, not an order between counters.
struct Counter {
  std::atomic<uint64_t> cell{0};

  uint64_t read() const { return cell.load(std::memory_order_relaxed); }
  // Writer only: load and store, no locked instruction.
  void add(uint64_t n) { cell.store(read() + n, std::memory_order_relaxed); }
  void sub(uint64_t n) { cell.store(read() - n, std::memory_order_relaxed); }  // gauges
  void set(uint64_t n) { cell.store(n, std::memory_order_relaxed); }           // gauges
};
static_assert(sizeof(Counter) == 8 && std::atomic<uint64_t>::is_always_lock_free);

// X(name, unit, sentence)
#define MR_WORKER_COUNTERS(X)                                                                    \
  X(rx_packets, "packets", "taken from the ports")                                               \
  X(rx_bytes, "bytes", "taken from the ports, Ethernet header included")                         \
  X(tx_packets, "packets", "given to the ports")                                                 \
  X(tx_bytes, "bytes", "given to the ports, Ethernet header included")                           \
  X(handed_in, "packets", "received from another worker's hand-over ring")                       \
  X(handed_out, "packets", "given to another worker's hand-over ring")                           \
  X(originated, "packets", "made here, not received: announcements, handshakes, fragments cut")  \
  X(diverted, "packets", "left to the kernel")                                                   \
  X(absorbed, "packets", "of proxied handshakes: they end here as they should")                  \
  X(held, "packets", "gauge: waiting for a neighbour or a first fragment right now")             \
  X(connections_opened, "connections", "entries made")                                           \
  X(connections_closed, "connections", "entries freed")                                          \
  X(connections_expired, "connections", "entries freed by a timeout; part of closed")            \
  X(connections_evicted, "connections", "entries freed to make room for others; part of closed") \
  X(timer_behind, "calls", "timer wheel calls that left expiries for the next one")              \
  X(icmp_translated, "packets", "ICMP errors passed on to the other side of a connection")       \
  X(echo_answered, "packets", "pings to a VIP or SNAT address answered")                         \
  X(arp_answered, "packets", "ARP requests and neighbour solicitations answered")                \
  X(cookies_sent, "packets", "SYNs answered with a SYN cookie")                                  \
  X(cookies_repeated, "packets", "answers to SYNs said again, because the client did not come")  \
  X(cookies_accepted, "packets", "ACKs that brought a valid SYN cookie back")                    \
  X(challenge_acks, "packets", "answers to segments that do not fit (RFC 5961)")                 \
  X(implausible_ends, "packets", "RSTs and FINs that cannot be honest: passed on, no effect")    \
  X(proxy_retransmits, "packets", "own SYNs and headers sent to a backend again")                \
  X(backend_retries, "connections", "attempts moved on to another backend")                      \
  X(unrecorded, "packets", "of dsr and tunnel flows, forwarded without an entry of their own")   \
  X(mss_clamped, "packets", "SYNs of dsr and tunnel clients, given a smaller MSS")               \
  X(path_mtu_updates, "times", "a backend's tunnel turned out narrower than we knew")            \
  X(snat_tries, "tries", "candidate ports looked at by the SNAT allocator")                      \
  X(events_dropped, "events", "not told to the control plane, the way was full")                 \
  X(bursts, "bursts", "loop turns that had a packet")                                            \
  X(idle_polls, "polls", "loop turns that had none")                                             \
  X(busy_cycles, "TSC cycles", "spent in turns that had a packet")                               \
  X(total_cycles, "TSC cycles", "since the worker started")                                      \
  X(fragments_followed, "packets", "later fragments that went the way of their first one")       \
  X(packets_cut, "packets", "too large for their way, sent in fragments")                        \
  X(flows_unlogged, "connections", "ended untold to the flow log: its ring was full")

// What the timed turns say about one stage; few turns are timed (dataplane/stages/stage_watch.h).
struct StageCounters {
  Counter cycles;   // TSC cycles spent in it
  Counter packets;  // that it had before it
};
static_assert(sizeof(StageCounters) == 16);

// What this worker took from the queues of one port.
struct PortCounters {
  Counter rx_packets;
  Counter handed_over;  // of these, those that another worker owns
};
static_assert(sizeof(PortCounters) == 16);

struct alignas(64) WorkerCounters {
#define X(name, unit, sentence) Counter name;
  MR_WORKER_COUNTERS(X)
#undef X
  alignas(64) Counter dropped[64];           // by DropReason; kDropReasonCount in use
  alignas(64) StageCounters stages[8];       // by Stage; kStageCount in use
  alignas(64) PortCounters ports[kPortMax];  // by place in the port list
};
static_assert(std::is_standard_layout_v<WorkerCounters> && sizeof(WorkerCounters) % 64 == 0);

// One per (worker, BackendSlot). Writer: that worker. When the slot's entry in the directory changes hands the
// dataplane's main lcore zeroes it; no worker holds the slot then.
struct alignas(64) BackendCounters {
  Counter connections;      // opened to it
  Counter active;           // gauge: entries now
  Counter forward_packets;  // client to backend
  Counter reverse_packets;  // backend to client
  Counter forward_bytes;    // IP packet bytes
  Counter reverse_bytes;
  Counter connect_failures;  // TCP: RST or silence instead of SYN-ACK
  Counter resets;            // TCP: RST from the backend after the handshake
};
static_assert(sizeof(BackendCounters) == 64);

// One per (worker, ServiceSlot). Writer: that worker. What its backends' counters cannot tell.
struct alignas(64) ServiceCounters {
  Counter connections;
  Counter active;  // gauge
  Counter no_backend;
  Counter no_snat_port;
  Counter no_slot;         // slab or table full
  Counter refused;         // proven clients reset: no backend took them or none has their name
  Counter syn_floods;      // times that automatic began to answer with cookies
  Counter backends_full;   // every eligible backend was at its max_connections
  Counter service_full;    // the service was at its own
  Counter sessions_moved;  // UDP sessions that left a backend which went down or was disabled
  Counter denied;          // packets that would have begun a connection, dropped by the access rules
  Counter evicted;         // connections that had to make room for others, of whatever service
  Counter limited;         // packets dropped because they came faster than its rates
  Counter reserved[3];
};
static_assert(sizeof(ServiceCounters) == 128);

}  // namespace millrace
