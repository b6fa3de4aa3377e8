#include "dataplane/pick/weighted_sequence.h"

#include <gtest/gtest.h>

#include <random>

namespace millrace {
namespace {

using Sequence = std::vector<uint16_t>;

// nginx's smooth weighted round robin, a backend at a time, as simply as it can be written.
Sequence one_by_one(const Sequence& weights) {
  std::vector<int> account(weights.size());
  int total = 0;
  for (const int weight : weights) total += weight;
  Sequence order;
  for (int step = 0; step < total; ++step) {
    size_t richest = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      account[i] += weights[i];
      if (account[i] > account[richest]) richest = i;
    }
    account[richest] -= total;
    order.push_back(static_cast<uint16_t>(richest));
  }
  return order;
}

TEST(build_weighted_sequence, is_smooth) {
  EXPECT_EQ(build_weighted_sequence(Sequence{5, 1, 1}), (Sequence{0, 0, 1, 0, 2, 0, 0}));
}

TEST(build_weighted_sequence, equal_weights_take_turns) {
  EXPECT_EQ(build_weighted_sequence(Sequence{7, 7, 7}), (Sequence{0, 1, 2}));
}

TEST(build_weighted_sequence, divides_by_the_common_divisor) {
  EXPECT_EQ(build_weighted_sequence(Sequence{200, 100}), (Sequence{0, 1, 0}));
}

TEST(build_weighted_sequence, of_nothing_is_nothing) { EXPECT_TRUE(build_weighted_sequence({}).empty()); }

TEST(build_weighted_sequence, groups_of_one_weight_change_nothing) {
  std::mt19937 random(1);
  for (unsigned round = 0; round < 200; ++round) {
    Sequence weights(1 + random() % 12);
    for (uint16_t& weight : weights) weight = static_cast<uint16_t>(1 + random() % 6);
    weights.push_back(1);  // the common divisor is 1
    ASSERT_EQ(build_weighted_sequence(weights), one_by_one(weights)) << "round " << round;
  }
}

TEST(build_weighted_sequence, the_largest_service_stays_bounded) {
  Sequence weights;
  for (unsigned i = 0; i < 4096; ++i) weights.push_back(static_cast<uint16_t>(1 + i % 256));
  EXPECT_EQ(build_weighted_sequence(weights).size(), 4096u / 256 * (256 * 257 / 2));
}

}  // namespace
}  // namespace millrace
