// rendezvous.h: weighted rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates",
// 1998) of kMaglevSize places: a target that leaves moves its own places and no other, one that joins takes places for
// itself and moves none between others. Maglev tables are more even, and move a few.
// Thread: main lcore, when tables are built.
// Memory: kMaglevSize x 2 B a table; 6 B a place more while it is built.
// Bound:  about kMaglevSize x ln(kMaglevSize) steps, however many targets; some ms.
// Tests:  tests/unit/pick/rendezvous_test.cpp
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/pick/pick_table.h"

namespace millrace {

// kMaglevSize indexes into `targets`; empty when there are none. Depends on addresses, ports and weights alone, never
// on the order of `targets`. Weights are at least 1, at most kMaglevSize targets.
std::vector<uint16_t> build_rendezvous(std::span<const BackendTarget> targets);

}  // namespace millrace
