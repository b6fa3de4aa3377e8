// pick_backend.cpp: one function a scheduler.
#include "dataplane/pick/pick_backend.h"

#include <algorithm>

#include "dataplane/pick/flow_hash.h"

namespace millrace {
namespace {

// How far a table is followed past backends that went down since it was built; then the targets are walked once. A
// weighted sequence can be a million long, and tables are stale for some milliseconds at most.
constexpr size_t kStaleStepsMax = 64;

// Who may be picked now.
struct Candidates {
  const EligibleBackends& eligible;
  BackendSlot avoid;
  bool has(const BackendTarget& target) const { return target.slot != avoid && eligible.read(target.slot); }
};

const BackendTarget* first_eligible(const PickTable& table, size_t start, const Candidates& candidates) {
  const size_t count = table.targets.size();
  for (size_t i = 0; i < count; ++i) {
    const BackendTarget& target = table.targets[(start + i) % count];
    if (candidates.has(target)) return &target;
  }
  return nullptr;
}

const BackendTarget* follow(const PickTable& table, const std::vector<uint16_t>& order, size_t start,
                            const Candidates& candidates) {
  const size_t steps = std::min(order.size(), kStaleStepsMax);
  for (size_t i = 0; i < steps; ++i) {
    const BackendTarget& target = table.targets[order[(start + i) % order.size()]];
    if (candidates.has(target)) return &target;
  }
  return first_eligible(table, start, candidates);
}

// The lowest (connections + 1) / weight. Equal ones take turns, or the first would get every burst of an idle service.
const BackendTarget* pick_least(const PickTable& table, size_t start, const Candidates& candidates,
                                std::span<const BackendCounters* const> backend_counters) {
  const BackendTarget* best = nullptr;
  uint64_t best_load = 0;
  const size_t count = table.targets.size();
  for (size_t i = 0; i < count; ++i) {
    const BackendTarget& target = table.targets[(start + i) % count];
    if (!candidates.has(target)) continue;
    uint64_t load = 1;
    for (const BackendCounters* row : backend_counters) load += row[raw(target.slot)].active.read();
    if (best == nullptr || load * best->weight < best_load * target.weight) {
      best = &target;
      best_load = load;
    }
  }
  return best;
}

}  // namespace

const BackendTarget* pick_backend(const ServiceTables& service, const PickTable& table, const PickWish& wish,
                                  const EligibleBackends& eligible, PickCursors& cursors,
                                  std::span<const BackendCounters* const> backend_counters) {
  if (table.targets.empty()) return nullptr;
  const Candidates candidates{eligible, wish.avoid};
  if (service.balance == Balance::maglev)
    return follow(table, table.maglev, wish.client_hash % kMaglevSize, candidates);
  const uint32_t start = cursors.next[raw(service.slot)]++;
  if (service.balance == Balance::leastconn) return pick_least(table, start, candidates, backend_counters);
  return follow(table, table.sequence, start, candidates);
}

uint32_t flow_hash(const IpAddr& client, Be16 client_port) {
  return static_cast<uint32_t>(hash_endpoint(client, client_port, 3) >> 32);
}

}  // namespace millrace
