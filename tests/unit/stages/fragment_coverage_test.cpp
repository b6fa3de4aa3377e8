// fragment_coverage_test.cpp: what is fresh, what came before, what contradicts; compared with a bitmap at random.
#include "dataplane/stages/fragment_coverage.h"

#include <gtest/gtest.h>

#include <bitset>
#include <random>

namespace millrace {
namespace {

using Added = FragmentCoverage::Added;

TEST(Fragment_coverage, in_order_it_completes_with_the_last) {
  FragmentCoverage coverage;
  EXPECT_EQ(coverage.add({0, 185, false}), Added::fresh);
  EXPECT_EQ(coverage.add({185, 370, false}), Added::fresh);
  EXPECT_FALSE(coverage.complete());
  EXPECT_EQ(coverage.add({370, 400, true}), Added::fresh);
  EXPECT_TRUE(coverage.complete());
}

TEST(Fragment_coverage, backwards_it_completes_with_the_first) {
  FragmentCoverage coverage;
  EXPECT_EQ(coverage.add({20, 25, true}), Added::fresh);
  EXPECT_EQ(coverage.add({10, 20, false}), Added::fresh);
  EXPECT_FALSE(coverage.complete());
  EXPECT_EQ(coverage.add({0, 10, false}), Added::fresh);
  EXPECT_TRUE(coverage.complete());
}

TEST(Fragment_coverage, the_gap_in_the_middle_joins_both_sides) {
  FragmentCoverage coverage;
  coverage.add({0, 10, false});
  coverage.add({20, 30, true});
  EXPECT_EQ(coverage.add({10, 20, false}), Added::fresh);
  EXPECT_TRUE(coverage.complete());
}

TEST(Fragment_coverage, what_came_before_is_a_duplicate_in_any_part) {
  FragmentCoverage coverage;
  coverage.add({0, 30, false});
  EXPECT_EQ(coverage.add({0, 30, false}), Added::duplicate);
  EXPECT_EQ(coverage.add({0, 1, false}), Added::duplicate);
  EXPECT_EQ(coverage.add({29, 30, false}), Added::duplicate);
}

TEST(Fragment_coverage, rfc5722_a_partial_overlap) {
  FragmentCoverage coverage;
  coverage.add({10, 20, false});
  for (const FragmentPlace& place : {FragmentPlace{0, 11, false}, {19, 21, false}, {5, 25, false}, {10, 21, true}})
    EXPECT_EQ(coverage.add(place), Added::overlap) << place.first;
  EXPECT_EQ(coverage.add({0, 10, false}), Added::fresh) << "nothing of those was taken in";
}

TEST(Fragment_coverage, the_end_is_where_the_last_one_said) {
  FragmentCoverage coverage;
  coverage.add({0, 10, false});
  coverage.add({20, 30, true});
  EXPECT_EQ(coverage.add({30, 40, false}), Added::overlap) << "behind the end";
  EXPECT_EQ(coverage.add({15, 16, true}), Added::overlap) << "another end";
  FragmentCoverage other;
  other.add({20, 30, false});
  EXPECT_EQ(other.add({0, 10, true}), Added::overlap) << "ends before what came";
}

TEST(Fragment_coverage, one_gap_too_many) {
  FragmentCoverage coverage;
  for (unsigned i = 0; i < FragmentCoverage::kSpanMax; ++i)
    EXPECT_EQ(coverage.add({static_cast<uint16_t>(4 * i), static_cast<uint16_t>(4 * i + 1), false}), Added::fresh);
  EXPECT_EQ(coverage.add({4000, 4001, false}), Added::full);
  EXPECT_EQ(coverage.add({1, 4, false}), Added::fresh) << "a gap that closes makes room";
  EXPECT_EQ(coverage.add({4000, 4001, false}), Added::fresh);
}

TEST(Fragment_coverage, at_random_it_agrees_with_a_bitmap) {
  std::mt19937 random(5722);
  for (unsigned round = 0; round < 2000; ++round) {
    FragmentCoverage coverage;
    std::bitset<64> there;
    for (unsigned step = 0; step < 30; ++step) {
      const auto from = static_cast<uint16_t>(random() % 60);
      const auto to = static_cast<uint16_t>(from + 1 + random() % 4);
      unsigned before = 0;
      for (unsigned unit = from; unit < to; ++unit) before += there[unit];
      const Added added = coverage.add({from, to, false});
      const unsigned units = static_cast<unsigned>(to - from);
      ASSERT_EQ(added, before == 0 ? Added::fresh : before == units ? Added::duplicate : Added::overlap);
      if (added != Added::fresh) continue;
      for (unsigned unit = from; unit < to; ++unit) there[unit] = true;
    }
  }
}

}  // namespace
}  // namespace millrace
