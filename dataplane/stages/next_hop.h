// next_hop.h: where a connection's packets leave, and the wait for its MAC address.
// Route:  rewrite_burst > cached_hop
//         without one: rewrite_burst | handle_icmp > find_hop > send_along > transmit_packet | hold
//         worker_turn > release_held
// Thread: owning worker; reads routes and neighbours that the main lcore writes.
// Bound:  one `resolve` note a held packet at most, and only for the first one held for its next hop.
// Tests:  tests/unit/stages/next_hop_test.cpp
#pragma once

#include "dataplane/conn/conn_table.h"
#include "dataplane/ports/routes.h"
#include "dataplane/stages/worker_context.h"
#include "millrace/conn_entry.h"

struct rte_mbuf;

namespace millrace {

enum class HopState : uint8_t {
  ready,       // port and neighbour are set
  unresolved,  // next_hop is set: whose MAC is missing
  no_route,
};
struct Hop {
  HopState state = HopState::no_route;
  PortIndex port{};   // ready, unresolved
  NextHop neighbour;  // ready
  IpAddr next_hop;
};

// The way that the entry remembers, if it still holds; not resolved otherwise.
inline NextHop cached_hop(const Worker& worker, const ConnEntry& entry, Direction direction) {
  const uint16_t neighbour = direction == Direction::forward ? entry.forward_neighbour : entry.reverse_neighbour;
  // The entry lies in shared memory: an index that cannot be is no index.
  if (neighbour >= kNeighbourMax || entry.route_epoch != worker.routes->epoch()) return NextHop{};
  return worker.state.neighbours->read(neighbour);
}

// The way of the entry's packets in `direction`. Remembers the neighbour in the entry.
Hop find_hop(Worker& worker, ConnEntry& entry, Direction direction);

// Ends a frame that is finished but for its MAC addresses.
void send_along(Worker& worker, rte_mbuf* mbuf, const Hop& hop);

// Sends held packets whose next hop answered, and drops those that waited for kHoldMs (neighbour_timeout).
void release_held(Worker& worker);

}  // namespace millrace
