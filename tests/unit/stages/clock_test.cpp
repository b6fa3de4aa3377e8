#include "dataplane/stages/clock.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr uint64_t kHz = 2'000'000'000;
constexpr uint64_t kMs = kHz / 1000;

TEST(WorkerClock, counts_milliseconds_from_the_anchor) {
  WorkerClock clock(kHz, 1000, 50);
  EXPECT_TRUE(clock.advance(1000));
  EXPECT_EQ(clock.now_ms(), 50u);
  EXPECT_FALSE(clock.advance(1000 + kMs - 1));
  EXPECT_TRUE(clock.advance(1000 + kMs));
  EXPECT_EQ(clock.now_ms(), 51u);
  EXPECT_TRUE(clock.advance(1000 + 10 * kMs + 5));
  EXPECT_EQ(clock.now_ms(), 60u);
}

TEST(WorkerClock, never_goes_back_when_the_anchor_does) {
  WorkerClock clock(kHz, 0, 100);
  clock.advance(500 * kMs);
  EXPECT_EQ(clock.now_ms(), 600u);
  clock.anchor(500 * kMs, 590);
  clock.advance(500 * kMs);
  EXPECT_EQ(clock.now_ms(), 600u);
  clock.advance(520 * kMs);
  EXPECT_EQ(clock.now_ms(), 610u);
}

TEST(WorkerClock, asks_for_a_new_anchor_once_a_second) {
  WorkerClock clock(kHz, 7, 0);
  EXPECT_FALSE(clock.anchor_is_old(7 + kHz - 1));
  EXPECT_TRUE(clock.anchor_is_old(7 + kHz));
}

TEST(WorkerClock, the_tsc_may_wrap) {
  const uint64_t start = UINT64_MAX - kMs / 2;
  WorkerClock clock(kHz, start, 10);
  clock.advance(start);
  EXPECT_TRUE(clock.advance(start + 3 * kMs));
  EXPECT_EQ(clock.now_ms(), 13u);
}

TEST(WorkerClock, the_32_bit_time_wraps_with_the_full_one) {
  WorkerClock clock(kHz, 0, (uint64_t{1} << 32) - 1);
  clock.advance(kMs);
  EXPECT_EQ(clock.now32_ms(), 0u);
}

}  // namespace
}  // namespace millrace
