// process_state.h: what the main lcore and the workers of this process share. Every field names its one writer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/conn/owner.h"
#include "dataplane/pick/bandwidths.h"
#include "dataplane/pick/eligible_backends.h"
#include "dataplane/pick/open_counts.h"
#include "dataplane/pick/snapshot.h"
#include "dataplane/ports/neighbours.h"
#include "dataplane/ports/port.h"
#include "dataplane/ports/routes.h"
#include "dataplane/tcp/syn_cookie.h"
#include "millrace/flow_ring.h"
#include "millrace/segment.h"

struct rte_mempool;
struct rte_rcu_qsbr;
struct rte_ring;

namespace millrace {

// A worker's word to the main lcore. Sent on its notes ring, element API; a full ring drops it and counts
// events_dropped.
enum class NoteKind : uint8_t {
  resolve,         // port, addr: make and resolve this neighbour
  connect_failed,  // service, backend
  backend_reset,   // service, backend
  slab_full,
  snat_exhausted,  // service, backend
  client_refused,  // service, backend tried last
  syn_proxy_on,    // service
  syn_proxy_off,   // service
  backends_full,   // service
  service_full,    // service
  evicted,         // service
};
struct WorkerNote {
  NoteKind kind{};
  PortIndex port{};
  ServiceSlot service{};
  BackendSlot backend{};
  uint16_t reserved = 0;
  IpAddr addr;
};
static_assert(sizeof(WorkerNote) == 24);
inline constexpr uint32_t kNoteRingSlots = 4096;
inline constexpr uint32_t kHandoverRingSlots = 1024;

struct ProcessState {
  // Set before the workers start, then constant.
  std::vector<Port> ports;
  std::unique_ptr<Owner> owner;
  IdlePolicy idle = IdlePolicy::busy;
  uint32_t punt_rate = 0;  // see PuntGate
  rte_mempool* mbuf_pool = nullptr;
  rte_rcu_qsbr* qsbr = nullptr;     // thread ids are worker indexes
  std::vector<rte_ring*> handover;  // [from * worker_count + to], SP/SC rings of mbuf pointers; null where from == to
  std::vector<rte_ring*> notes;     // [worker], SP/SC element rings of WorkerNote
  uint64_t tsc_hz = 0;
  CookieSecret cookie_secret{};
  // Views into the shared segment.
  std::span<ConnEntry> slab;
  std::span<Splice> splices;  // by slab entry; empty: no connection can be proxied
  std::span<WorkerInfo> worker_info;
  std::span<WorkerCounters> worker_counters;
  std::vector<ServiceCounters*> service_counters;        // [worker] -> row by ServiceSlot
  std::vector<const BackendCounters*> backend_counters;  // [worker] -> row by BackendSlot, for reading
  std::vector<BackendCounters*> backend_counters_own;    // the same rows, for their worker
  std::vector<BackendHandshakes*> backend_handshakes;    // [worker] -> row by BackendSlot
  std::vector<ServiceLifetimes*> service_lifetimes;      // [worker] -> row by ServiceSlot
  std::vector<FlowRing> flow_rings;                      // [worker], which alone sends; empty: nobody hears of flows
  // A row for each worker, made with it.
  OpenCounts open_counts;

  // Writer: main lcore. Readers: workers, once a burst (acquire, pairs with the release at publishing). Never null.
  std::atomic<const Snapshot*> snapshot{nullptr};
  std::atomic<const RouteTable*> routes{nullptr};
  // Writer: main lcore.
  EligibleBackends eligible;
  Bandwidths bandwidths;
  std::unique_ptr<NeighbourTable> neighbours;
  std::atomic<bool> stop{false};

  unsigned worker_count() const { return owner->worker_count(); }
};

}  // namespace millrace
