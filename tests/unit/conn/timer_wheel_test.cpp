#include "dataplane/conn/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace millrace {
namespace {

constexpr uint32_t kTick = TimerWheel::kTickMs;
constexpr uint32_t kTurn = TimerWheel::kTickMs * TimerWheel::kSlotCount;

// Everything that is due at `now`, over as many calls as it takes, in ascending order.
std::vector<uint32_t> drain(TimerWheel& wheel, Ms now) {
  std::vector<uint32_t> due;
  bool more = true;
  while (more) {
    const size_t before = due.size();
    more = wheel.advance(now, [&](ConnIndex index) { due.push_back(raw(index)); });
    EXPECT_LE(due.size() - before, TimerWheel::kExpiriesPerCall);
  }
  std::sort(due.begin(), due.end());
  return due;
}

using Due = std::vector<uint32_t>;

TEST(ms_after, holds_across_the_wrap) {
  EXPECT_TRUE(ms_after(5, 4));
  EXPECT_FALSE(ms_after(4, 4));
  EXPECT_FALSE(ms_after(3, 4));
  EXPECT_TRUE(ms_after(3, 0xffff'fff0));
  EXPECT_FALSE(ms_after(0xffff'fff0, 3));
}

TEST(TimerWheel_advance, is_never_early_and_at_most_two_ticks_late) {
  for (Ms due = 10'000; due < 10'000 + 3 * kTick; ++due) {
    TimerWheel wheel(ConnIndex{0}, 1, 1000);
    wheel.arm(ConnIndex{0}, due);
    EXPECT_EQ(drain(wheel, due - 1), Due{}) << due;
    EXPECT_EQ(drain(wheel, due + 2 * kTick), Due{0}) << due;
    EXPECT_EQ(drain(wheel, due + kTurn), Due{}) << "fires once";
  }
}

TEST(TimerWheel_advance, takes_a_time_already_past_at_the_next_tick) {
  TimerWheel wheel(ConnIndex{0}, 1, 1'000'000);
  wheel.arm(ConnIndex{0}, 999'000);
  EXPECT_EQ(drain(wheel, 1'000'000), Due{});
  EXPECT_EQ(drain(wheel, 1'000'000 + 2 * kTick), Due{0});
}

TEST(TimerWheel_advance, gives_indexes_of_the_whole_slab) {
  TimerWheel wheel(ConnIndex{5000}, 3, 0);
  wheel.arm(ConnIndex{5002}, 1000);
  EXPECT_EQ(drain(wheel, 2000), Due{5002});
}

TEST(TimerWheel_advance, calls_at_the_latest_one_turn_from_now) {
  TimerWheel wheel(ConnIndex{0}, 1, 0);
  wheel.arm(ConnIndex{0}, 7 * 24 * 3600 * 1000u);
  EXPECT_EQ(drain(wheel, kTurn - kTick - 1), Due{});
  EXPECT_EQ(drain(wheel, kTurn), Due{0});
}

TEST(TimerWheel_advance, leaves_more_than_its_bound_to_the_next_call) {
  constexpr uint32_t kCount = 2 * TimerWheel::kExpiriesPerCall + 3;
  TimerWheel wheel(ConnIndex{0}, kCount, 0);
  for (uint32_t i = 0; i < kCount; ++i) wheel.arm(ConnIndex{i}, 1000 + 10 * i);
  unsigned fired = 0;
  const auto count = [&](ConnIndex) { ++fired; };
  EXPECT_TRUE(wheel.advance(10'000, count));
  EXPECT_EQ(fired, TimerWheel::kExpiriesPerCall);
  EXPECT_TRUE(wheel.advance(10'000, count));
  EXPECT_EQ(fired, 2 * TimerWheel::kExpiriesPerCall);
  EXPECT_FALSE(wheel.advance(10'000, count));
  EXPECT_EQ(fired, kCount);
}

TEST(TimerWheel_advance, says_no_more_when_exactly_its_bound_was_due) {
  TimerWheel wheel(ConnIndex{0}, TimerWheel::kExpiriesPerCall, 0);
  for (uint32_t i = 0; i < TimerWheel::kExpiriesPerCall; ++i) wheel.arm(ConnIndex{i}, 1000);
  EXPECT_FALSE(wheel.advance(10'000, [](ConnIndex) {}));
}

TEST(TimerWheel_advance, ends_with_an_on_due_that_arms_for_the_past) {
  TimerWheel wheel(ConnIndex{0}, 1, 0);
  wheel.arm(ConnIndex{0}, 0);
  unsigned fired = 0;
  const auto again = [&](ConnIndex index) {
    ++fired;
    wheel.arm(index, 0);
  };
  while (wheel.advance(10 * kTick, again)) {
  }
  // Once a tick: the first slot it can be in is the second.
  EXPECT_EQ(fired, 9u);
}

TEST(TimerWheel_advance, lets_on_due_cancel_and_arm_others) {
  TimerWheel wheel(ConnIndex{0}, 3, 0);
  for (uint32_t i = 0; i < 3; ++i) wheel.arm(ConnIndex{i}, 1000);
  Due fired;
  wheel.advance(2000, [&](ConnIndex index) {
    fired.push_back(raw(index));
    for (uint32_t other = 0; other < 3; ++other)
      if (ConnIndex{other} != index) wheel.cancel(ConnIndex{other});
    wheel.arm(index, 5000);
  });
  ASSERT_EQ(fired.size(), 1u);
  EXPECT_EQ(drain(wheel, 20'000), fired);
}

TEST(TimerWheel_arm, moves_an_armed_entry) {
  TimerWheel wheel(ConnIndex{0}, 2, 0);
  wheel.arm(ConnIndex{0}, 1000);
  wheel.arm(ConnIndex{1}, 1000);
  wheel.arm(ConnIndex{0}, 5000);
  EXPECT_EQ(drain(wheel, 3000), Due{1});
  EXPECT_EQ(drain(wheel, 6000), Due{0});
}

TEST(TimerWheel_cancel, takes_out_first_middle_and_last_of_a_slot) {
  for (uint32_t cancelled = 0; cancelled < 3; ++cancelled) {
    TimerWheel wheel(ConnIndex{0}, 3, 0);
    for (uint32_t i = 0; i < 3; ++i) wheel.arm(ConnIndex{i}, 1000);
    wheel.cancel(ConnIndex{cancelled});
    wheel.cancel(ConnIndex{cancelled});  // not armed any more: nothing happens
    Due rest = {0, 1, 2};
    rest.erase(rest.begin() + cancelled);
    EXPECT_EQ(drain(wheel, 3000), rest);
  }
}

// The wheel against a map, over random operations. Time is 64 bits wide here, so that the wheel's wrap is no wrap for
// the model.
class Model {
 public:
  explicit Model(uint64_t now) : tick_(now / kTick) {}
  void arm(uint32_t index, uint64_t due) {
    const int64_t ahead = static_cast<int64_t>(due / kTick) - static_cast<int64_t>(tick_);
    armed_[index] = tick_ + static_cast<uint64_t>(std::clamp<int64_t>(ahead, 1, TimerWheel::kSlotCount - 1));
  }
  void cancel(uint32_t index) { armed_.erase(index); }
  Due drain(uint64_t now) {
    tick_ = std::max(tick_, now / kTick);
    Due due;
    for (auto it = armed_.begin(); it != armed_.end();) {
      if (it->second < tick_) {
        due.push_back(it->first);
        it = armed_.erase(it);
      } else {
        ++it;
      }
    }
    return due;
  }
  size_t armed_count() const { return armed_.size(); }

 private:
  uint64_t tick_;
  std::map<uint32_t, uint64_t> armed_;  // index -> tick after whose end it fires
};

class TimerWheel_model : public testing::TestWithParam<uint64_t> {};

TEST_P(TimerWheel_model, agrees_over_random_operations) {
  constexpr uint32_t kCount = 500;
  uint64_t now = GetParam();
  std::mt19937_64 random(GetParam());
  const auto below = [&](uint64_t n) { return random() % n; };
  TimerWheel wheel(ConnIndex{7}, kCount, static_cast<Ms>(now));
  Model model(now);
  size_t fired = 0;
  for (int step = 0; step < 60'000; ++step) {
    const auto index = static_cast<uint32_t>(7 + below(kCount));
    const uint64_t kind = below(10);
    if (kind < 6) {
      // Mostly some minutes ahead, at times beyond a turn or in the past.
      const uint64_t due = kind == 0 ? now - below(10'000) : now + below(kind == 1 ? 4 * kTurn : kTurn / 4);
      wheel.arm(ConnIndex{index}, static_cast<Ms>(due));
      model.arm(index, due);
    } else if (kind == 6) {
      wheel.cancel(ConnIndex{index});
      model.cancel(index);
    } else {
      now += kind == 7 && below(100) == 0 ? below(2 * kTurn) : below(2000);
      const Due due = drain(wheel, static_cast<Ms>(now));
      fired += due.size();
      ASSERT_EQ(due, model.drain(now)) << "step " << step << " now " << now;
    }
  }
  EXPECT_GT(fired, 5000u);
  now += 2 * kTurn;
  EXPECT_EQ(drain(wheel, static_cast<Ms>(now)).size(), model.armed_count());
}

// From the clock's start, from just before its wrap, and from any place.
INSTANTIATE_TEST_SUITE_P(starts, TimerWheel_model,
                         testing::Values(1'000'000, (uint64_t{1} << 32) - 1, (uint64_t{1} << 32) - 3'000'000,
                                         (uint64_t{1} << 31) - 500'000, 123'456'789'012));

}  // namespace
}  // namespace millrace
