// maglev.h: weighted Maglev table (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
// NSDI 2016, section 3.4): a backend that leaves moves hardly any flow but its own.
// Thread: main lcore, when tables are built.
// Memory: kMaglevSize x 2 B a table.
// Bound:  about kMaglevSize x (1 + max weight / mean weight) steps; some ms at worst.
// Tests:  tests/unit/pick/maglev_test.cpp
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/pick/snapshot.h"

namespace millrace {

// kMaglevSize indexes into `targets`; empty when there are none. Depends on addresses, ports and weights alone, never
// on the order of `targets`. Weights are at least 1, at most kMaglevSize targets.
std::vector<uint16_t> build_maglev(std::span<const BackendTarget> targets);

}  // namespace millrace
