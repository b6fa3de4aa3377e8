// maglev.cpp: every backend walks its own permutation of the table and takes the next free place in turn; a backend
// of half the greatest weight takes half as many turns.
#include "dataplane/pick/maglev.h"

#include <algorithm>

#include "dataplane/pick/place_walk.h"

namespace millrace {
namespace {

constexpr uint16_t kFree = 0xffff;
static_assert(kBackendPerServiceMax < kFree);

struct Walker {
  PlaceWalk walk;
  uint32_t weight;
  uint32_t credit = 0;  // a turn costs the greatest weight
};

}  // namespace

std::vector<uint16_t> build_maglev(std::span<const BackendTarget> targets) {
  if (targets.empty()) return {};
  std::vector<Walker> walkers;
  uint32_t weight_max = 0;
  for (const PlaceWalk& walk : walks_in_order(targets, 1, 2)) {
    walkers.push_back({.walk = walk, .weight = targets[walk.target].weight});
    weight_max = std::max(weight_max, walkers.back().weight);
  }

  std::vector<uint16_t> table(kMaglevSize, kFree);
  uint32_t filled = 0;
  while (true) {
    for (Walker& walker : walkers) {
      walker.credit += walker.weight;
      if (walker.credit < weight_max) continue;
      walker.credit -= weight_max;
      while (table[walker.walk.place] != kFree) walker.walk.advance();
      table[walker.walk.place] = walker.walk.target;
      if (++filled == kMaglevSize) return table;
    }
  }
}

}  // namespace millrace
