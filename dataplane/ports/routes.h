// routes.h: the kernel's routes that leave by our ports, as an immutable longest-prefix table (rte_rib, rte_rib6).
// Thread: lookup() any worker; made and destroyed by the main lcore, which swaps in a new table on every change.
// Tests:  tests/unit/ports/routes_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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
};

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

  // False: no route by a port of ours.
  bool lookup(const IpAddr& dst, RouteHop& hop) const;
  uint8_t epoch() const { return epoch_; }

 private:
  bool insert(const Route& route, size_t index);  // false: no memory

  rte_rib* rib4_ = nullptr;
  rte_rib6* rib6_ = nullptr;
  std::vector<Route> routes_;  // the tries' next hops are indexes into it
  uint8_t epoch_;
};

}  // namespace millrace
