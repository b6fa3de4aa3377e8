#include "dataplane/pick/pick_tables.h"

#include <gtest/gtest.h>

#include "tests/unit/pick/pick_targets.h"

namespace millrace {
namespace {

std::vector<uint16_t> slots(const PickTable& table) {
  std::vector<uint16_t> all;
  for (const BackendTarget& one : table.targets) all.push_back(raw(one.slot));
  return all;
}

TEST(build_pick_table, takes_the_lowest_priority_that_has_an_eligible_backend) {
  std::vector<PickCandidate> all = candidates(targets(4));
  all[0].priority = 5;
  all[1].priority = 2;
  all[2].priority = 2;
  all[3].priority = 9;
  EXPECT_EQ(slots(build_pick_table(Balance::weight, Family::ipv4, all)), (std::vector<uint16_t>{1, 2}));
  all[1].eligible = all[2].eligible = false;
  EXPECT_EQ(slots(build_pick_table(Balance::weight, Family::ipv4, all)), (std::vector<uint16_t>{0}));
  all[0].eligible = false;
  EXPECT_EQ(slots(build_pick_table(Balance::weight, Family::ipv4, all)), (std::vector<uint16_t>{3}));
  all[3].eligible = false;
  EXPECT_TRUE(build_pick_table(Balance::weight, Family::ipv4, all).targets.empty());
}

TEST(build_pick_table, the_largest_priority_counts_too) {
  std::vector<PickCandidate> all = candidates(targets(1));
  all[0].priority = kPriorityMax;
  EXPECT_EQ(slots(build_pick_table(Balance::roundrobin, Family::ipv4, all)), (std::vector<uint16_t>{0}));
}

TEST(build_pick_table, families_have_priorities_of_their_own) {
  std::vector<PickCandidate> all = candidates(targets(2));
  all[1].target.addr = ip("fd00::1");
  all[1].priority = 3;
  EXPECT_EQ(slots(build_pick_table(Balance::roundrobin, Family::ipv4, all)), (std::vector<uint16_t>{0}));
  EXPECT_EQ(slots(build_pick_table(Balance::roundrobin, Family::ipv6, all)), (std::vector<uint16_t>{1}));
}

TEST(build_pick_table, roundrobin_does_not_look_at_weights) {
  std::vector<PickCandidate> all = candidates({target(0, 9), target(1, 1)});
  EXPECT_EQ(build_pick_table(Balance::roundrobin, Family::ipv4, all).sequence, (std::vector<uint16_t>{0, 1}));
  EXPECT_EQ(build_pick_table(Balance::weight, Family::ipv4, all).sequence.size(), 10u);
}

TEST(build_pick_table, maglev_has_its_table_and_leastconn_none) {
  const std::vector<PickCandidate> all = candidates(targets(3));
  EXPECT_EQ(build_pick_table(Balance::maglev, Family::ipv4, all).maglev.size(), kMaglevSize);
  const PickTable least = build_pick_table(Balance::leastconn, Family::ipv4, all);
  EXPECT_TRUE(least.maglev.empty() && least.sequence.empty());
  EXPECT_EQ(least.targets.size(), 3u);
}

}  // namespace
}  // namespace millrace
