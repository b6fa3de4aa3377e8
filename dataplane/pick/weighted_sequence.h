// weighted_sequence.h: the order in which smooth weighted round robin hands out backends, one whole period of it.
// nginx's algorithm: every turn each backend gains its weight, the richest is taken and pays the sum of all weights.
// Weights 5, 1, 1 give a a b a c a a: in proportion, and never all of one backend in a row.
// Thread: main lcore, when tables are built.
// Bound:  sum of weights (after division by their greatest common divisor) x number of different weights: backends of
//         one weight take turns among themselves, so one account serves them all. At the limits 1M x 256 steps.
// Tests:  tests/unit/pick/weighted_sequence_test.cpp
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

// Indexes into `weights`, as often as their weight (divided by the common divisor) says. Weights are at least 1.
std::vector<uint16_t> build_weighted_sequence(std::span<const uint16_t> weights);

}  // namespace millrace
