#include "perf/traffic/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace millrace::traffic {
namespace {

TEST(LatencyHistogram, EmptyHasNoTime) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.quantile(0.5), 0u);
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  for (uint64_t value = 0; value < 64; ++value) {
    LatencyHistogram histogram;
    histogram.add(value);
    EXPECT_EQ(histogram.quantile(0.5), value);
  }
}

TEST(LatencyHistogram, EveryValueIsKnownToThreePercent) {
  LatencyHistogram histogram;
  for (uint64_t value = 1; value < uint64_t{1} << 47; value = value * 9 / 8 + 1) {
    histogram.clear();
    histogram.add(value);
    histogram.add(uint64_t{1} << 47);  // so that the maximum does not say it
    const uint64_t told = histogram.quantile(0.5);
    ASSERT_GE(told, value);
    ASSERT_LE(told, value + value / 32 + 1);
  }
}

TEST(LatencyHistogram, QuantilesAreThoseOfTheSortedValues) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> spread(8, 2);
  LatencyHistogram histogram;
  std::vector<uint64_t> values;
  for (unsigned i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<uint64_t>(spread(random)));
    histogram.add(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.5, 0.99, 0.999, 1.0}) {
    const uint64_t exact = values[static_cast<size_t>(std::ceil(q * static_cast<double>(values.size()))) - 1];
    EXPECT_GE(histogram.quantile(q), exact) << q;
    EXPECT_LE(histogram.quantile(q), exact + exact / 32 + 1) << q;
  }
  EXPECT_EQ(histogram.quantile(1), histogram.max());
}

TEST(LatencyHistogram, TakesAnyValue) {
  LatencyHistogram histogram;
  histogram.add(UINT64_MAX);
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.max(), UINT64_MAX);
}

}  // namespace
}  // namespace millrace::traffic
