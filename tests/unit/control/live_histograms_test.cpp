// live_histograms_test.cpp: sums over workers and what they tell.
#include "controlplane/link/live_histograms.h"

#include <gtest/gtest.h>

#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

TEST(HandshakesLive_quantile, is_within_a_quarter_of_an_octave) {
  HandshakesLive live;
  EXPECT_FALSE(live.quantile_us(0.5));
  for (uint32_t us = 1; us <= 100'000; ++us) ++live.buckets[handshake_bucket(us)];
  EXPECT_NEAR(*live.quantile_us(0.5), 50'000, 2'500);
  EXPECT_NEAR(*live.quantile_us(0.99), 99'000, 10'000);
  EXPECT_NEAR(*live.quantile_us(0.01), 1'000, 100);
}

TEST(HandshakesLive_quantile, at_both_ends) {
  HandshakesLive live;
  live.buckets[0] = 2;
  EXPECT_EQ(live.quantile_us(0.5), 8u);
  live.buckets[kHandshakeBuckets - 1] = 1000;
  EXPECT_EQ(live.quantile_us(0.5), handshake_bucket_end_us(kHandshakeBuckets - 2)) << "longer than can be told";
}

TEST(live_histograms, sum_over_workers) {
  TempDir dir;
  const std::string path = dir.path("segment");
  FakeDataplane fake(path);
  const std::shared_ptr<const Segment> segment = join_segment(path).segment;
  ASSERT_TRUE(segment);
  fake.backend_handshakes(0, 7).add(100);
  fake.backend_handshakes(1, 7).add(100);
  fake.backend_handshakes(1, 7).add(5'000);
  fake.backend_handshakes(1, 8).add(100);
  const HandshakesLive live = sum_handshakes(*segment, BackendSlot{7});
  EXPECT_EQ(live.count(), 3u);
  EXPECT_EQ(live.sum_us, 5'200u);
  EXPECT_EQ(live.buckets[handshake_bucket(100)], 2u);
  EXPECT_EQ(live.count_below(256), 2u);
  EXPECT_EQ(sum_handshakes(*segment, kNoBackend).count(), 0u);
  fake.service_lifetimes(0, 3).add(5);
  fake.service_lifetimes(1, 3).add(5);
  EXPECT_EQ(sum_lifetimes(*segment, ServiceSlot{3}).buckets[lifetime_bucket(5)], 2u);
  EXPECT_EQ(sum_lifetimes(*segment, ServiceSlot{3}).sum_ms, 10u);
}

}  // namespace
}  // namespace millrace::control
