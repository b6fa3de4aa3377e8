// pick_tables.cpp: priority groups, then the scheduler's own table.
#include "dataplane/pick/pick_tables.h"

#include <numeric>
#include <utility>
#include <vector>

#include "dataplane/pick/alias_table.h"
#include "dataplane/pick/maglev.h"
#include "dataplane/pick/rendezvous.h"
#include "dataplane/pick/weighted_sequence.h"

namespace millrace {

namespace {

// The eligible ones of the best group that has any, of those that `counts` says.
template <typename Counts>
std::vector<BackendTarget> best_group(std::span<const PickCandidate> candidates, Counts&& counts) {
  uint32_t best_priority = kPriorityMax + 1;
  for (const PickCandidate& candidate : candidates)
    if (counts(candidate) && candidate.priority < best_priority) best_priority = candidate.priority;
  std::vector<BackendTarget> targets;
  for (const PickCandidate& candidate : candidates)
    if (counts(candidate) && candidate.priority == best_priority) targets.push_back(candidate.target);
  return targets;
}

PickTable build_table(Balance balance, std::vector<BackendTarget> targets) {
  PickTable table{.targets = std::move(targets)};
  std::vector<uint16_t> weights;
  for (const BackendTarget& target : table.targets) {
    weights.push_back(target.weight);
    table.has_limits = table.has_limits || target.connections_max != 0;
  }
  switch (balance) {
    case Balance::roundrobin:
      table.sequence.resize(table.targets.size());
      std::iota(table.sequence.begin(), table.sequence.end(), uint16_t{0});
      break;
    case Balance::weight:
      table.sequence = build_weighted_sequence(weights);
      break;
    case Balance::maglev:
      table.maglev = build_maglev(table.targets);
      break;
    case Balance::iphash1:
      table.rendezvous = build_rendezvous(table.targets);
      break;
    case Balance::iphash:
    case Balance::random:
    case Balance::p2c:
    case Balance::leastbandwidth:
    case Balance::fastest:
      table.alias = build_alias_table(weights);
      break;
    case Balance::leastconn:
      break;  // decides by the counters alone
  }
  return table;
}

}  // namespace

PickTable build_pick_table(Balance balance, Family family, std::span<const PickCandidate> candidates) {
  return build_table(balance, best_group(candidates, [family](const PickCandidate& c) {
                       return c.eligible && c.target.addr.family() == family;
                     }));
}

PickTable build_pick_table(Balance balance, std::span<const PickCandidate> candidates) {
  return build_table(balance, best_group(candidates, [](const PickCandidate& c) { return c.eligible; }));
}

}  // namespace millrace
