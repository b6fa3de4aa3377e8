// pick_tables.h: from a service's backends to the table its new connections are dealt from.
// Thread: main lcore.
// Tests:  tests/unit/pick/pick_tables_test.cpp
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/pick/snapshot.h"

namespace millrace {

struct PickCandidate {
  BackendTarget target;
  uint16_t priority = 0;
  bool eligible = false;  // up, enabled, weight above 0
};

// The table of one family: the eligible candidates of the lowest priority number that has any.
PickTable build_pick_table(Balance balance, Family family, std::span<const PickCandidate> candidates);
// The same of both families together, for mode tunnel.
PickTable build_pick_table(Balance balance, std::span<const PickCandidate> candidates);

}  // namespace millrace
