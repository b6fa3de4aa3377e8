// next_hop.cpp: see the header. The neighbour cached in the connection, else route and neighbour tables, else the wait.
#include "dataplane/stages/next_hop.h"

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/stages/notes.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

IpAddr destination_of(const ConnEntry& entry, Direction direction) {
  const bool forward = direction == Direction::forward;
  if (entry.family == Family::ipv4) return IpAddr::from_ipv4(forward ? entry.backend4 : entry.client4);
  return IpAddr{forward ? entry.backend6 : entry.client6};
}

void transmit_to_mac(Worker& worker, rte_mbuf* mbuf, PortIndex port, const MacAddr& mac) {
  auto* ether = rte_pktmbuf_mtod(mbuf, rte_ether_hdr*);
  std::memcpy(ether->dst_addr.addr_bytes, mac.bytes.data(), RTE_ETHER_ADDR_LEN);
  std::memcpy(ether->src_addr.addr_bytes, worker.state.ports[raw(port)].mac.bytes.data(), RTE_ETHER_ADDR_LEN);
  transmit_packet(worker, mbuf, port);
}

// The neighbour is not known to the connection, or has no MAC: ask routes and neighbours.
Hop look_up_hop(Worker& worker, const IpAddr& destination, uint16_t& neighbour) {
  RouteHop route;
  if (!worker.routes->lookup(destination, route)) return Hop{};
  neighbour = worker.state.neighbours->find(route.port, route.next_hop);
  if (neighbour != kNoNeighbour) {
    const NextHop hop = worker.state.neighbours->read(neighbour);
    if (hop.resolved) return Hop{.state = HopState::ready, .port = hop.port, .mac = hop.mac};
  }
  return Hop{.state = HopState::unresolved, .port = route.port, .next_hop = route.next_hop};
}

}  // namespace

Hop find_hop(Worker& worker, ConnEntry& entry, Direction direction) {
  if (entry.route_epoch != worker.routes->epoch()) {
    entry.route_epoch = worker.routes->epoch();
    entry.forward_neighbour = entry.reverse_neighbour = kNoNeighbour;
  }
  uint16_t& neighbour = direction == Direction::forward ? entry.forward_neighbour : entry.reverse_neighbour;
  // The entry lies in shared memory: an index that cannot be is no index.
  if (neighbour < kNeighbourMax) {
    const NextHop hop = worker.state.neighbours->read(neighbour);
    if (hop.resolved) return Hop{.state = HopState::ready, .port = hop.port, .mac = hop.mac};
  }
  return look_up_hop(worker, destination_of(entry, direction), neighbour);
}

void send_along(Worker& worker, rte_mbuf* mbuf, const Hop& hop) {
  if (hop.state == HopState::ready) return transmit_to_mac(worker, mbuf, hop.port, hop.mac);
  if (hop.state == HopState::no_route) return drop_packet(worker, mbuf, DropReason::no_route);
  const RouteHop route{.port = hop.port, .next_hop = hop.next_hop};
  switch (worker.held.add(mbuf, route, worker.clock.now32_ms())) {
    case HoldQueue::Added::refused:
      return drop_packet(worker, mbuf, DropReason::hold_full);
    case HoldQueue::Added::first_of_hop:
      note_resolve(worker, route);
      break;
    case HoldQueue::Added::another:
      break;
  }
  worker.counters.held.set(worker.held.count());
}

void release_held(Worker& worker) {
  if (worker.held.count() == 0) return;
  worker.held.sweep(worker.clock.now32_ms(), [&](rte_mbuf* mbuf, const RouteHop& route, bool overdue) {
    const uint16_t neighbour = worker.state.neighbours->find(route.port, route.next_hop);
    const NextHop hop = neighbour == kNoNeighbour ? NextHop{} : worker.state.neighbours->read(neighbour);
    if (hop.resolved)
      transmit_to_mac(worker, mbuf, route.port, hop.mac);
    else if (overdue)
      drop_packet(worker, mbuf, DropReason::neighbour_timeout);
    else
      return HoldQueue::Verdict::keep;
    return HoldQueue::Verdict::gone;
  });
  worker.counters.held.set(worker.held.count());
}

}  // namespace millrace
