// routes.cpp: see the header.
#include "dataplane/ports/routes.h"

#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_rib.h>
#include <rte_rib6.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <stdexcept>
#include <string>

namespace millrace {

namespace {

[[noreturn]] void throw_no_memory(size_t routes) {
  throw std::runtime_error("no memory for a table of " + std::to_string(routes) + " routes: " +
                           rte_strerror(rte_errno) + "; reserve more hugepages (`sysctl vm.nr_hugepages=N`)");
}

// A binary trie needs an inner node at most for every route.
int node_count_max(size_t routes) { return static_cast<int>(2 * routes + 2); }

}  // namespace

RouteTable::RouteTable(const std::vector<Route>& routes, uint8_t epoch) : routes_(routes), epoch_(epoch) {
  // Best last: a later insertion of the same prefix replaces the next hop.
  std::stable_sort(routes_.begin(), routes_.end(),
                   [](const Route& left, const Route& right) { return left.metric > right.metric; });
  static std::atomic<unsigned> made{0};  // names are global, and the old table lives on until its readers are gone
  const std::string name = "routes" + std::to_string(made.fetch_add(1, std::memory_order_relaxed));
  rte_rib_conf conf4{};
  rte_rib6_conf conf6{};
  conf4.max_nodes = conf6.max_nodes = node_count_max(routes_.size());
  rib4_ = rte_rib_create((name + "v4").c_str(), SOCKET_ID_ANY, &conf4);
  rib6_ = rte_rib6_create((name + "v6").c_str(), SOCKET_ID_ANY, &conf6);
  bool complete = rib4_ != nullptr && rib6_ != nullptr;
  for (size_t i = 0; complete && i < routes_.size(); ++i) complete = insert(routes_[i], i);
  if (complete) return;
  rte_rib_free(rib4_);
  rte_rib6_free(rib6_);
  throw_no_memory(routes_.size());
}

bool RouteTable::insert(const Route& route, size_t index) {
  if (route.prefix.is_ipv4()) {
    const uint32_t prefix = route.prefix.ipv4().host();
    rte_rib_node* node = rte_rib_lookup_exact(rib4_, prefix, route.prefix_bits);
    if (node == nullptr) node = rte_rib_insert(rib4_, prefix, route.prefix_bits);
    return node != nullptr && rte_rib_set_nh(node, index) == 0;
  }
  const uint8_t* prefix = route.prefix.bytes.data();
  rte_rib6_node* node = rte_rib6_lookup_exact(rib6_, prefix, route.prefix_bits);
  if (node == nullptr) node = rte_rib6_insert(rib6_, prefix, route.prefix_bits);
  return node != nullptr && rte_rib6_set_nh(node, index) == 0;
}

RouteTable::~RouteTable() {
  rte_rib_free(rib4_);
  rte_rib6_free(rib6_);
}

bool RouteTable::lookup(const IpAddr& dst, RouteHop& hop) const {
  uint64_t index = 0;
  if (dst.is_ipv4()) {
    const rte_rib_node* node = rte_rib_lookup(rib4_, dst.ipv4().host());
    if (node == nullptr || rte_rib_get_nh(node, &index) != 0) return false;
  } else {
    const rte_rib6_node* node = rte_rib6_lookup(rib6_, dst.bytes.data());
    if (node == nullptr || rte_rib6_get_nh(node, &index) != 0) return false;
  }
  const Route& route = routes_[index];
  hop.port = route.port;
  hop.next_hop = route.gateway ? *route.gateway : dst;
  return true;
}

}  // namespace millrace
