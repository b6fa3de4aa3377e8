// alias_table.h: draws by weight at one look, whatever the number of targets: the alias method of Walker (1977), made by
// Vose's algorithm ("A linear algorithm for generating random numbers with a given distribution", 1991).
// Thread: built by the main lcore; draw_alias(): any.
// Memory: 8 B a target.
// Tests:  tests/unit/pick/alias_table_test.cpp
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

struct AliasCell {
  uint32_t own_last = 0;  // the lower half of a draw up to this one is the cell's own index, above it `alias`
  uint16_t alias = 0;
};

// One cell a weight; weights are at least 1, at most 65535 of them.
std::vector<AliasCell> build_alias_table(std::span<const uint16_t> weights);

// `draw`: 64 random bits, or a hash. The table is not empty. With equal weights its upper half alone decides.
inline uint16_t draw_alias(std::span<const AliasCell> table, uint64_t draw) {
  const auto cell = static_cast<uint16_t>((draw >> 32) * table.size() >> 32);
  return static_cast<uint32_t>(draw) <= table[cell].own_last ? cell : table[cell].alias;
}

}  // namespace millrace
