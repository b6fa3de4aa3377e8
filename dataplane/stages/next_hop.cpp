// next_hop.cpp: see the header. The neighbour cached in the connection, else route and neighbour tables, else the wait.
#include "dataplane/stages/next_hop.h"

#include <rte_mbuf.h>

#include "dataplane/pick/pick_backend.h"
#include "dataplane/stages/egress.h"
#include "dataplane/stages/notes.h"
#include "dataplane/stages/outcome.h"

namespace millrace {
namespace {

IpAddr destination_of(const ConnEntry& entry, Direction direction) {
  if (direction == Direction::forward) return backend_address(entry);
  return entry.family == Family::ipv4 ? IpAddr::from_ipv4(entry.client4) : IpAddr{entry.client6};
}

void transmit_along(Worker& worker, rte_mbuf* mbuf, const NextHop& hop) {
  write_macs(rte_pktmbuf_mtod(mbuf, uint8_t*), hop, worker.port_facts[raw(hop.port())]);
  transmit_packet(worker, mbuf, hop.port());
}

Hop ready(const NextHop& neighbour) {
  return Hop{.state = HopState::ready, .port = neighbour.port(), .neighbour = neighbour};
}

NextHop neighbour_of(const Worker& worker, const RouteHop& route, uint16_t& index) {
  index = worker.state.neighbours->find(route.port, route.next_hop);
  return index == kNoNeighbour ? NextHop{} : worker.state.neighbours->read(index);
}

// Of equally good ways the flow's own, but none to a router that does not answer while another one does.
RouteHop own_way(const Worker& worker, std::span<const Route> hops, const IpAddr& destination, uint32_t hash) {
  const auto answers = [&](const Route& hop) {
    uint16_t index = 0;
    return neighbour_of(worker, hop_of(hop, destination), index).resolved();
  };
  return hop_of(own_hop(hops, hash, answers), destination);
}

uint32_t hash_of(const ConnEntry& entry) {
  return flow_hash(destination_of(entry, Direction::reverse), entry.client_port);
}

// The neighbour is not known to the connection, or has no MAC: ask routes and neighbours.
Hop look_up_hop(Worker& worker, const ConnEntry& entry, const IpAddr& destination, uint16_t& neighbour) {
  const std::span<const Route> hops = worker.routes->hops_to(destination);
  if (hops.empty()) return Hop{};
  const RouteHop route =
      hops.size() == 1 ? hop_of(hops.front(), destination) : own_way(worker, hops, destination, hash_of(entry));
  const NextHop hop = neighbour_of(worker, route, neighbour);
  if (hop.resolved()) return ready(hop);
  return Hop{.state = HopState::unresolved, .port = route.port, .next_hop = route.next_hop};
}

}  // namespace

Hop find_hop(Worker& worker, ConnEntry& entry, Direction direction) {
  const NextHop cached = cached_hop(worker, entry, direction);
  if (cached.resolved()) return ready(cached);
  if (entry.route_epoch != worker.routes->epoch()) {
    entry.route_epoch = worker.routes->epoch();
    entry.forward_neighbour = entry.reverse_neighbour = kNoNeighbour;
  }
  return look_up_hop(worker, entry, destination_of(entry, direction),
                     direction == Direction::forward ? entry.forward_neighbour : entry.reverse_neighbour);
}

void send_along(Worker& worker, rte_mbuf* mbuf, const Hop& hop) {
  if (hop.state == HopState::ready) return transmit_along(worker, mbuf, hop.neighbour);
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
  count_held(worker);
}

void release_held(Worker& worker) {
  if (worker.held.count() == 0) return;
  worker.held.sweep(worker.clock.now32_ms(), [&](rte_mbuf* mbuf, const RouteHop& route, bool overdue) {
    uint16_t neighbour = kNoNeighbour;
    const NextHop hop = neighbour_of(worker, route, neighbour);
    if (hop.resolved())
      transmit_along(worker, mbuf, hop);
    else if (overdue)
      drop_packet(worker, mbuf, DropReason::neighbour_timeout);
    else
      return HoldQueue::Verdict::keep;
    return HoldQueue::Verdict::gone;
  });
  count_held(worker);
}

}  // namespace millrace
