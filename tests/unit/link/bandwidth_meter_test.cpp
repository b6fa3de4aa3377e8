#include "dataplane/link/bandwidth_meter.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>

namespace millrace {
namespace {

class BandwidthMeterTest : public testing::Test {
 protected:
  BandwidthMeterTest() {
    DesiredService service;
    service.balance = Balance::leastbandwidth;
    for (uint16_t slot = 0; slot < 2; ++slot) service.backends.push_back({.slot = BackendSlot{slot}});
    model_.services.push_back(service);
  }
  // `mbit` each second, an eighth of it bytes, both directions and both workers alike, for so long.
  void carry(uint64_t mbit, uint64_t duration_ms) {
    for (uint64_t passed_ms = 0; passed_ms < duration_ms; passed_ms += 100) {
      for (const auto& row : {first_.get(), second_.get()}) {
        row[0].forward_bytes.add(mbit * 12'500 / 4);
        row[0].reverse_bytes.add(mbit * 12'500 / 4);
      }
      meter_.measure(model_, now_ms_ += 100);
    }
  }
  double mbit(uint16_t slot) { return static_cast<double>(bandwidths_.bits_per_s(BackendSlot{slot})) / 1e6; }

  std::unique_ptr<BackendCounters[]> first_{new BackendCounters[4]};
  std::unique_ptr<BackendCounters[]> second_{new BackendCounters[4]};
  const std::array<const BackendCounters*, 2> rows_ = {first_.get(), second_.get()};
  Bandwidths bandwidths_;
  BandwidthMeter meter_{rows_, bandwidths_};
  DesiredModel model_;
  uint64_t now_ms_ = 1000;
};

TEST_F(BandwidthMeterTest, adds_up_workers_and_directions) {
  carry(800, 20'000);
  EXPECT_NEAR(mbit(0), 800, 8);
  EXPECT_EQ(mbit(1), 0);
}

TEST_F(BandwidthMeterTest, forgets) {
  carry(800, 20'000);
  carry(0, kBandwidthForgottenMs);
  EXPECT_NEAR(mbit(0), 800 / 2.71828, 15);
  carry(0, 10 * kBandwidthForgottenMs);
  EXPECT_LT(mbit(0), 0.1);
}

TEST_F(BandwidthMeterTest, what_was_carried_before_is_no_bandwidth_of_now) {
  first_[0].forward_bytes.add(1'000'000'000'000);
  carry(0, 300);
  EXPECT_EQ(mbit(0), 0);
  // Nor while another scheduler was in use.
  carry(100, 20'000);
  model_.services[0].balance = Balance::weight;
  carry(100, 20'000);
  model_.services[0].balance = Balance::leastbandwidth;
  carry(100, 100);
  EXPECT_EQ(mbit(0), 0);
  carry(100, 20'000);
  EXPECT_NEAR(mbit(0), 100, 1);
}

TEST_F(BandwidthMeterTest, a_slot_that_changes_hands_begins_at_nothing) {
  carry(800, 20'000);
  for (const auto& row : {first_.get(), second_.get()})
    for (Counter* counter : {&row[0].forward_bytes, &row[0].reverse_bytes}) counter->set(0);
  meter_.measure(model_, now_ms_ += 100);
  EXPECT_EQ(mbit(0), 0);
}

TEST_F(BandwidthMeterTest, two_calls_in_one_millisecond_are_one) {
  carry(800, 20'000);
  first_[0].forward_bytes.add(1'000'000);
  meter_.measure(model_, now_ms_);
  EXPECT_NEAR(mbit(0), 800, 8);
}

}  // namespace
}  // namespace millrace
