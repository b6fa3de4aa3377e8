// routes.h: the kernel's routes that leave by our ports, as an immutable longest-prefix table (rte_rib, rte_rib6).
// Routes of equal prefix and metric are hops of equal cost (ECMP, RFC 2992): each flow has its own among them.
// Thread: lookup() any worker; made and destroyed by the main lcore, which swaps in a new table on every change.
// Tests:  tests/unit/ports/routes_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/ports/port.h"
#include "millrace/addr.h"

struct rte_rib;
struct rte_rib6;

namespace millrace {

struct Route {
  IpAddr prefix;            // host bits zero
  uint8_t prefix_bits = 0;  // 0..32 for IPv4, 0..128 for IPv6
  PortIndex port{};
  std::optional<IpAddr> gateway;  // nullopt: on link
  uint32_t metric = 0;            // of equal prefixes the lowest wins
  uint16_t weight = 1;            // among hops of equal cost
};
inline constexpr size_t kEcmpMax = 64;  // hops of equal cost that are used; of more, the first by port and gateway

struct RouteHop {
  PortIndex port{};
  IpAddr next_hop;  // whose MAC is wanted: the gateway, or the destination itself
};

class RouteTable {
 public:
  // `epoch` differs from the previous table's; connections compare it to notice that they must look up again.
  // Throws std::runtime_error when the tries cannot be made.
  RouteTable(const std::vector<Route>& routes, uint8_t epoch);
  ~RouteTable();
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  // The hops of equal cost to `dst`, mostly one; empty: no route by a port of ours.
  std::span<const Route> hops_to(const IpAddr& dst) const;
  // The first of them. False: there is none.
  bool lookup(const IpAddr& dst, RouteHop& hop) const;
  uint8_t epoch() const { return epoch_; }

 private:
  bool insert(size_t first, size_t count);  // false: no memory

  rte_rib* rib4_ = nullptr;
  rte_rib6* rib6_ = nullptr;
  std::vector<Route> routes_;  // hops of equal cost stand together; the tries' next hops say where, and how many
  uint8_t epoch_;
};

RouteHop hop_of(const Route& route, const IpAddr& dst);
bool is_equal_cost(const Route& left, const Route& right);

// The hop that the flow with this hash is given to: weighted rendezvous, so that a hop that comes or goes moves the flows
// of its own share alone. Hops for which `is_alive` is false get none while there is another. `hops` is not empty.
double rendezvous_time(const Route& hop, uint32_t flow_hash);
template <typename IsAlive>
const Route& own_hop(std::span<const Route> hops, uint32_t flow_hash, IsAlive&& is_alive) {
  if (hops.size() == 1) return hops.front();
  const Route* own = nullptr;
  bool own_alive = false;
  double own_time = 0;
  for (const Route& hop : hops) {
    const bool alive = is_alive(hop);
    const double time = rendezvous_time(hop, flow_hash);
    if (own != nullptr && (alive != own_alive ? own_alive : time >= own_time)) continue;
    own = &hop;
    own_alive = alive;
    own_time = time;
  }
  return *own;
}

}  // namespace millrace
