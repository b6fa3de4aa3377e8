// place_walk.h: the order in which a target comes to the places of a hash table: a permutation of its own, made of its
// address and port alone (Maglev, NSDI 2016, section 3.4).
// Thread: main lcore, when tables are built.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "dataplane/pick/flow_hash.h"
#include "dataplane/pick/pick_table.h"
#include "millrace/limits.h"

namespace millrace {

struct PlaceWalk {
  uint16_t target;  // index
  uint32_t place;
  uint32_t skip;  // 1 .. kMaglevSize - 1; the size is prime, so the walk visits every place
  void advance() { place = (place + skip) % kMaglevSize; }
};

// One a target, in the order of addresses and ports, so that it does not matter how the targets are listed.
inline std::vector<PlaceWalk> walks_in_order(std::span<const BackendTarget> targets, uint64_t place_seed,
                                             uint64_t skip_seed) {
  std::vector<uint16_t> order(targets.size());
  std::iota(order.begin(), order.end(), uint16_t{0});
  std::sort(order.begin(), order.end(), [&](uint16_t a, uint16_t b) {
    if (targets[a].addr != targets[b].addr) return targets[a].addr < targets[b].addr;
    return targets[a].port.host() < targets[b].port.host();
  });
  std::vector<PlaceWalk> walks;
  walks.reserve(order.size());
  for (uint16_t target : order) {
    const BackendTarget& t = targets[target];
    walks.push_back({.target = target,
                     .place = static_cast<uint32_t>(hash_endpoint(t.addr, t.port, place_seed) % kMaglevSize),
                     .skip = static_cast<uint32_t>(hash_endpoint(t.addr, t.port, skip_seed) % (kMaglevSize - 1) + 1)});
  }
  return walks;
}

}  // namespace millrace
