#include "dataplane/pick/alias_table.h"

#include <gtest/gtest.h>

#include <numeric>

#include "dataplane/pick/pick_backend.h"

namespace millrace {
namespace {

// Of 2^32 lower halves, how many lead to each index, over all cells: exact, without a draw.
std::vector<double> shares(const std::vector<uint16_t>& weights) {
  const std::vector<AliasCell> table = build_alias_table(weights);
  std::vector<double> share(weights.size());
  for (size_t cell = 0; cell < table.size(); ++cell) {
    const double own = (table[cell].own_last + 1.0) / 4294967296.0;
    share[cell] += own / static_cast<double>(table.size());
    share[table[cell].alias] += (1 - own) / static_cast<double>(table.size());
  }
  return share;
}

void expect_exact(const std::vector<uint16_t>& weights) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  const std::vector<double> share = shares(weights);
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(share[i], weights[i] / total, 1e-6) << i;
}

TEST(Alias_table, gives_each_its_weight) {
  expect_exact({1});
  expect_exact({1, 1, 1});
  expect_exact({1, 2, 5, 8});
  expect_exact({256, 1});
  expect_exact({1, 256, 1, 256, 7});
  std::vector<uint16_t> many;
  for (uint16_t i = 0; i < 4096; ++i) many.push_back(static_cast<uint16_t>(1 + i % 256));
  expect_exact(many);
}

TEST(Alias_table, is_empty_without_weights) { EXPECT_TRUE(build_alias_table({}).empty()); }

TEST(Alias_table, ends_of_the_draw) {
  const std::vector<AliasCell> table = build_alias_table(std::vector<uint16_t>{3, 1, 1});
  EXPECT_LT(draw_alias(table, 0), 3);
  EXPECT_LT(draw_alias(table, UINT64_MAX), 3);
}

TEST(Alias_table, of_equal_weights_is_a_plain_index) {
  const std::vector<AliasCell> table = build_alias_table(std::vector<uint16_t>(7, 5));
  for (uint64_t i = 0; i < 7; ++i) {
    const uint64_t first = ((i << 32) + 6) / 7;
    EXPECT_EQ(draw_alias(table, first << 32), i);
    EXPECT_EQ(draw_alias(table, first << 32 | UINT32_MAX), i);
  }
}

}  // namespace
}  // namespace millrace
