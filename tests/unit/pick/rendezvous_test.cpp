#include "dataplane/pick/rendezvous.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/unit/pick/pick_targets.h"

namespace millrace {
namespace {

std::vector<uint16_t> slots(const std::vector<BackendTarget>& all) {
  std::vector<uint16_t> by_place;
  for (const uint16_t index : build_rendezvous(all)) by_place.push_back(raw(all[index].slot));
  return by_place;
}

std::map<uint16_t, unsigned> places_by_slot(const std::vector<BackendTarget>& all) {
  std::map<uint16_t, unsigned> places;
  for (const uint16_t slot : slots(all)) ++places[slot];
  return places;
}

TEST(build_rendezvous, is_empty_without_targets) { EXPECT_TRUE(build_rendezvous({}).empty()); }

TEST(build_rendezvous, one_target_has_every_place) {
  EXPECT_EQ(places_by_slot({target(7)}), (std::map<uint16_t, unsigned>{{7, kMaglevSize}}));
}

TEST(build_rendezvous, spreads_by_weight) {
  for (const std::vector<BackendTarget>& all :
       {std::vector{target(1, 1), target(2, 3)}, std::vector{target(1, 1), target(2, 2), target(3, 5)}, targets(16)}) {
    double weights = 0;
    for (const BackendTarget& one : all) weights += one.weight;
    const auto places = places_by_slot(all);
    for (const BackendTarget& one : all) {
      const double share = kMaglevSize * one.weight / weights;
      EXPECT_NEAR(places.at(raw(one.slot)), share, share * 0.05) << raw(one.slot) << " of " << all.size();
    }
  }
}

TEST(build_rendezvous, does_not_depend_on_the_order_of_targets) {
  std::vector<BackendTarget> all = targets(20);
  all[3].weight = 7;
  const std::vector<uint16_t> before = slots(all);
  std::reverse(all.begin(), all.end());
  EXPECT_EQ(slots(all), before);
}

TEST(build_rendezvous, who_leaves_moves_its_own_places_and_no_other) {
  std::vector<BackendTarget> all = targets(100);
  for (size_t i = 0; i < all.size(); ++i) all[i].weight = static_cast<uint16_t>(1 + i % 5);
  const std::vector<uint16_t> before = slots(all);
  for (const uint16_t left : {0, 42, 99}) {
    std::vector<BackendTarget> without = all;
    std::erase_if(without, [left](const BackendTarget& one) { return raw(one.slot) == left; });
    const std::vector<uint16_t> after = slots(without);
    for (size_t place = 0; place < kMaglevSize; ++place) {
      EXPECT_NE(after[place], left);
      ASSERT_TRUE(after[place] == before[place] || before[place] == left) << place;
    }
  }
}

TEST(build_rendezvous, a_greater_weight_only_takes_places) {
  std::vector<BackendTarget> all = targets(10, 4);
  const std::vector<uint16_t> before = slots(all);
  all[6].weight = 8;
  const std::vector<uint16_t> after = slots(all);
  for (size_t place = 0; place < kMaglevSize; ++place)
    ASSERT_TRUE(after[place] == before[place] || after[place] == 6) << place;
}

TEST(build_rendezvous, of_the_most_targets) { EXPECT_EQ(slots(targets(4096)).size(), kMaglevSize); }

// Other hosts of the same VIP run other builds: these places must never change.
TEST(build_rendezvous, is_the_same_in_every_build) {
  uint64_t sum = 0;
  for (const uint16_t slot : slots(targets(5))) sum = sum * 31 + slot;
  EXPECT_EQ(sum, 6799426873921182167u);
}

}  // namespace
}  // namespace millrace
