// pick_tables.cpp: priority groups, then the scheduler's own table.
#include "dataplane/pick/pick_tables.h"

#include <numeric>

#include "dataplane/pick/maglev.h"
#include "dataplane/pick/weighted_sequence.h"

namespace millrace {

PickTable build_pick_table(Balance balance, Family family, std::span<const PickCandidate> candidates) {
  const auto counts = [&](const PickCandidate& c) { return c.eligible && c.target.addr.family() == family; };
  uint32_t best_priority = kPriorityMax + 1;
  for (const PickCandidate& candidate : candidates)
    if (counts(candidate) && candidate.priority < best_priority) best_priority = candidate.priority;

  PickTable table;
  for (const PickCandidate& candidate : candidates)
    if (counts(candidate) && candidate.priority == best_priority) table.targets.push_back(candidate.target);

  switch (balance) {
    case Balance::roundrobin:
      table.sequence.resize(table.targets.size());
      std::iota(table.sequence.begin(), table.sequence.end(), uint16_t{0});
      break;
    case Balance::weight: {
      std::vector<uint16_t> weights;
      for (const BackendTarget& target : table.targets) weights.push_back(target.weight);
      table.sequence = build_weighted_sequence(weights);
      break;
    }
    case Balance::maglev:
      table.maglev = build_maglev(table.targets);
      break;
    case Balance::leastconn:
      break;  // decides by the counters alone
  }
  return table;
}

}  // namespace millrace
