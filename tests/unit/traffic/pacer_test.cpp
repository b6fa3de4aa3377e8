#include "perf/traffic/pacer.h"

#include <gtest/gtest.h>

namespace millrace::traffic {
namespace {

constexpr double kHz = 1e9;

TEST(Pacer, KeepsItsRate) {
  Pacer pacer(1e6, kHz, 5000);
  uint64_t sent = 0;
  for (uint64_t tsc = 5000; tsc <= 1'000'005'000; tsc += 10'007) sent += pacer.due(tsc, 32);
  EXPECT_NEAR(static_cast<double>(sent), 1e6, 32);
  EXPECT_EQ(pacer.skipped(), 0u);
}

TEST(Pacer, DoesNotCatchUpInABurst) {
  Pacer pacer(1e6, kHz, 0);
  uint64_t sent = 0;
  for (unsigned i = 0; i < 1000; ++i) sent += pacer.due(1'000'000'000, 32);  // one second late
  EXPECT_LE(sent, 256u);
  EXPECT_EQ(sent + pacer.skipped(), 1'000'000u);
}

TEST(Pacer, WithoutRateAlwaysGivesAll) {
  Pacer pacer(0, kHz, 0);
  EXPECT_EQ(pacer.due(0, 32), 32u);
  EXPECT_EQ(pacer.due(0, 32), 32u);
}

}  // namespace
}  // namespace millrace::traffic
