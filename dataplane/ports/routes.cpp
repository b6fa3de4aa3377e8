// routes.cpp: see the header.
#include "dataplane/ports/routes.h"

#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_rib.h>
#include <rte_rib6.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <tuple>

#include "dataplane/pick/flow_hash.h"

namespace millrace {

namespace {

[[noreturn]] void throw_no_memory(size_t routes) {
  throw std::runtime_error("no memory for a table of " + std::to_string(routes) + " routes: " +
                           rte_strerror(rte_errno) + "; reserve more hugepages (`sysctl vm.nr_hugepages=N`)");
}

constexpr unsigned kCountShift = 32;  // of a trie's next hop: the number of hops above the index of the first

auto group_of(const Route& route) { return std::tie(route.prefix, route.prefix_bits, route.metric); }

// Best last: a later insertion of the same prefix replaces the next hop.
bool stands_before(const Route& left, const Route& right) {
  return std::tie(right.metric, left.prefix, left.prefix_bits, left.port, left.gateway) <
         std::tie(left.metric, right.prefix, right.prefix_bits, right.port, right.gateway);
}

// A binary trie needs an inner node at most for every route.
int node_count_max(size_t routes) { return static_cast<int>(2 * routes + 2); }

}  // namespace

RouteTable::RouteTable(const std::vector<Route>& routes, uint8_t epoch) : routes_(routes), epoch_(epoch) {
  std::sort(routes_.begin(), routes_.end(), stands_before);
  static std::atomic<unsigned> made{0};  // names are global, and the old table lives on until its readers are gone
  const std::string name = "routes" + std::to_string(made.fetch_add(1, std::memory_order_relaxed));
  rte_rib_conf conf4{};
  rte_rib6_conf conf6{};
  conf4.max_nodes = conf6.max_nodes = node_count_max(routes_.size());
  rib4_ = rte_rib_create((name + "v4").c_str(), SOCKET_ID_ANY, &conf4);
  rib6_ = rte_rib6_create((name + "v6").c_str(), SOCKET_ID_ANY, &conf6);
  bool complete = rib4_ != nullptr && rib6_ != nullptr;
  for (size_t first = 0; complete && first < routes_.size();) {
    size_t count = 1;
    while (first + count < routes_.size() && is_equal_cost(routes_[first], routes_[first + count])) ++count;
    complete = insert(first, std::min(count, kEcmpMax));
    first += count;
  }
  if (complete) return;
  rte_rib_free(rib4_);
  rte_rib6_free(rib6_);
  throw_no_memory(routes_.size());
}

bool RouteTable::insert(size_t first, size_t count) {
  const Route& route = routes_[first];
  const uint64_t value = uint64_t{count} << kCountShift | first;
  if (route.prefix.is_ipv4()) {
    const uint32_t prefix = route.prefix.ipv4().host();
    rte_rib_node* node = rte_rib_lookup_exact(rib4_, prefix, route.prefix_bits);
    if (node == nullptr) node = rte_rib_insert(rib4_, prefix, route.prefix_bits);
    return node != nullptr && rte_rib_set_nh(node, value) == 0;
  }
  const uint8_t* prefix = route.prefix.bytes.data();
  rte_rib6_node* node = rte_rib6_lookup_exact(rib6_, prefix, route.prefix_bits);
  if (node == nullptr) node = rte_rib6_insert(rib6_, prefix, route.prefix_bits);
  return node != nullptr && rte_rib6_set_nh(node, value) == 0;
}

RouteTable::~RouteTable() {
  rte_rib_free(rib4_);
  rte_rib6_free(rib6_);
}

std::span<const Route> RouteTable::hops_to(const IpAddr& dst) const {
  uint64_t value = 0;
  if (dst.is_ipv4()) {
    const rte_rib_node* node = rte_rib_lookup(rib4_, dst.ipv4().host());
    if (node == nullptr || rte_rib_get_nh(node, &value) != 0) return {};
  } else {
    const rte_rib6_node* node = rte_rib6_lookup(rib6_, dst.bytes.data());
    if (node == nullptr || rte_rib6_get_nh(node, &value) != 0) return {};
  }
  return {&routes_[static_cast<uint32_t>(value)], value >> kCountShift};
}

bool RouteTable::lookup(const IpAddr& dst, RouteHop& hop) const {
  const std::span<const Route> hops = hops_to(dst);
  if (hops.empty()) return false;
  hop = hop_of(hops.front(), dst);
  return true;
}

RouteHop hop_of(const Route& route, const IpAddr& dst) { return {route.port, route.gateway ? *route.gateway : dst}; }

bool is_equal_cost(const Route& left, const Route& right) { return group_of(left) == group_of(right); }

// Exponential with the weight as rate: a hop comes first with the probability of its share.
double rendezvous_time(const Route& hop, uint32_t flow_hash) {
  uint64_t gateway[2] = {};
  if (hop.gateway) std::memcpy(gateway, hop.gateway->bytes.data(), sizeof gateway);
  const uint64_t hop_hash = mix_bits(gateway[0] ^ mix_bits(gateway[1] + raw(hop.port)));
  const double unit = (static_cast<double>(mix_bits(hop_hash ^ flow_hash) >> 11) + 0.5) * 0x1p-53;  // in (0, 1)
  return -std::log(unit) / hop.weight;
}

}  // namespace millrace
