#include "dataplane/pick/handshake_times.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr BackendSlot kSlot{7};

TEST(Handshake_times, unknown_at_first) { EXPECT_EQ(HandshakeTimes().read(kSlot, 1'000'000), 0u); }

TEST(Handshake_times, the_first_counts_whole_and_each_later_one_an_eighth) {
  HandshakeTimes times;
  times.add(kSlot, 800, 20'000);
  EXPECT_EQ(times.read(kSlot, 20'000), 800u);
  times.add(kSlot, 1600, 20'001);
  EXPECT_EQ(times.read(kSlot, 20'001), 900u);
  times.add(kSlot, 100, 20'002);
  EXPECT_EQ(times.read(kSlot, 20'002), 800u);
}

TEST(Handshake_times, forgets_what_is_old) {
  HandshakeTimes times;
  times.add(kSlot, 800, UINT32_MAX - 5);  // the clock comes round
  EXPECT_EQ(times.read(kSlot, kHandshakeForgottenMs - 7), 800u);
  EXPECT_EQ(times.read(kSlot, kHandshakeForgottenMs - 6), 0u);
  times.add(kSlot, 80, kHandshakeForgottenMs - 6);
  EXPECT_EQ(times.read(kSlot, kHandshakeForgottenMs - 6), 80u);
}

TEST(Handshake_times, a_time_below_a_tick_is_not_unknown) {
  HandshakeTimes times;
  times.add(kSlot, 0, 20'000);
  EXPECT_EQ(times.read(kSlot, 20'000), 1u);
}

}  // namespace
}  // namespace millrace
