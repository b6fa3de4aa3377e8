// maglev.cpp: every backend walks its own permutation of the table and takes the next free place in turn; a backend
// of half the greatest weight takes half as many turns.
#include "dataplane/pick/maglev.h"

#include <algorithm>
#include <numeric>

#include "dataplane/pick/flow_hash.h"

namespace millrace {
namespace {

constexpr uint16_t kFree = 0xffff;
static_assert(kBackendPerServiceMax < kFree);

struct Walker {
  uint16_t target;
  uint32_t weight;
  uint32_t credit = 0;  // a turn costs the greatest weight
  uint32_t place;
  uint32_t skip;  // 1 .. kMaglevSize - 1; the size is prime, so the walk visits every place
};

std::vector<Walker> make_walkers(std::span<const BackendTarget> targets) {
  std::vector<uint16_t> order(targets.size());
  std::iota(order.begin(), order.end(), uint16_t{0});
  std::sort(order.begin(), order.end(), [&](uint16_t a, uint16_t b) {
    if (targets[a].addr != targets[b].addr) return targets[a].addr < targets[b].addr;
    return targets[a].port.host() < targets[b].port.host();
  });
  std::vector<Walker> walkers;
  walkers.reserve(order.size());
  for (uint16_t target : order) {
    const BackendTarget& t = targets[target];
    walkers.push_back({.target = target,
                       .weight = t.weight,
                       .place = static_cast<uint32_t>(hash_endpoint(t.addr, t.port, 1) % kMaglevSize),
                       .skip = static_cast<uint32_t>(hash_endpoint(t.addr, t.port, 2) % (kMaglevSize - 1) + 1)});
  }
  return walkers;
}

}  // namespace

std::vector<uint16_t> build_maglev(std::span<const BackendTarget> targets) {
  if (targets.empty()) return {};
  std::vector<Walker> walkers = make_walkers(targets);
  uint32_t weight_max = 0;
  for (const Walker& walker : walkers) weight_max = std::max(weight_max, walker.weight);

  std::vector<uint16_t> table(kMaglevSize, kFree);
  uint32_t filled = 0;
  while (true) {
    for (Walker& walker : walkers) {
      walker.credit += walker.weight;
      if (walker.credit < weight_max) continue;
      walker.credit -= weight_max;
      while (table[walker.place] != kFree) walker.place = (walker.place + walker.skip) % kMaglevSize;
      table[walker.place] = walker.target;
      if (++filled == kMaglevSize) return table;
    }
  }
}

}  // namespace millrace
