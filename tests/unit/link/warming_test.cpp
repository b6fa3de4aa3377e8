#include "dataplane/link/warming.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr BackendSlot kSlot{9};

TEST(Warming, says_since_when_until_the_time_is_over) {
  EligibleBackends eligible;
  Warming warming(eligible);
  warming.begin(kSlot, 50'000, 30'000);
  EXPECT_EQ(eligible.warming_since_ms(kSlot), 50'000u);
  warming.advance(79'999);
  EXPECT_EQ(eligible.warming_since_ms(kSlot), 50'000u);
  warming.advance(80'000);
  EXPECT_EQ(eligible.warming_since_ms(kSlot), 0u);
}

TEST(Warming, one_that_comes_back_again_begins_again) {
  EligibleBackends eligible;
  Warming warming(eligible);
  warming.begin(kSlot, 50'000, 30'000);
  warming.begin(kSlot, 70'000, 30'000);
  warming.advance(80'000);
  EXPECT_EQ(eligible.warming_since_ms(kSlot), 70'000u);
}

TEST(Warming, without_slow_start_it_is_warm) {
  EligibleBackends eligible;
  Warming warming(eligible);
  warming.begin(kSlot, 50'000, 30'000);
  warming.begin(kSlot, 60'000, 0);
  EXPECT_EQ(eligible.warming_since_ms(kSlot), 0u);
}

TEST(Warming, a_clock_at_the_end_of_its_round_is_not_warm) {
  EligibleBackends eligible;
  Warming warming(eligible);
  warming.begin(kSlot, uint64_t{1} << 32, 30'000);
  EXPECT_NE(eligible.warming_since_ms(kSlot), 0u);
}

}  // namespace
}  // namespace millrace
