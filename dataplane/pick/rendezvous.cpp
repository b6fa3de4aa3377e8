// rendezvous.cpp: every target comes to every place once, at a time of its own that no other target has a part in, and
// sooner the greater its weight; a place belongs to who comes first. The times at a place are exponential with the
// weight as rate, so that a target comes first with the probability of its share.
// Asking every target for its time at every place would take seconds for thousands. So the targets walk the places in
// the order of their times, all to one moment, then to the next, until each place has been visited.
#include "dataplane/pick/rendezvous.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "dataplane/pick/place_walk.h"
#include "millrace/limits.h"

namespace millrace {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
// Of all visits by the lightest reckoning that fall between two looks whether every place has one.
constexpr double kVisitsPerRound = kMaglevSize / 4.0;

// When a target of weight 1 makes its step number `step`: the quantile of the exponential distribution.
double time_of(uint32_t step) { return -std::log1p(-(step + 0.5) / kMaglevSize); }

struct Visitor {
  PlaceWalk walk;
  double weight;
  uint32_t step = 0;
  double next_time;
};

}  // namespace

std::vector<uint16_t> build_rendezvous(std::span<const BackendTarget> targets) {
  if (targets.empty()) return {};
  std::vector<Visitor> visitors;
  double weights = 0;
  for (const PlaceWalk& walk : walks_in_order(targets, 5, 6)) {
    const double weight = targets[walk.target].weight;
    visitors.push_back({.walk = walk, .weight = weight, .next_time = time_of(0) / weight});
    weights += weight;
  }
  std::vector<uint16_t> table(kMaglevSize);
  std::vector<double> first_time(kMaglevSize, kNever);
  uint32_t filled = 0;
  const double round = kVisitsPerRound / (weights * kMaglevSize);
  for (double until = round; filled != kMaglevSize; until += round) {
    for (Visitor& visitor : visitors) {
      while (visitor.next_time < until) {
        double& first = first_time[visitor.walk.place];
        filled += first == kNever;
        // Of equal times the first in the order of addresses.
        if (visitor.next_time < first) {
          first = visitor.next_time;
          table[visitor.walk.place] = visitor.walk.target;
        }
        visitor.walk.advance();
        visitor.next_time = ++visitor.step < kMaglevSize ? time_of(visitor.step) / visitor.weight : kNever;
      }
    }
  }
  return table;
}

}  // namespace millrace
