// circuit_breaker_test.cpp: every way from one state to another, in virtual time.
#include "controlplane/health/circuit_breaker.h"

#include <gtest/gtest.h>

namespace millrace::control {
namespace {

struct Breaker : testing::Test {
  // At half of at least 10 connections in 10 s it opens, for 5 s and then 10 and 20; 4 trials.
  CircuitBreaker::Config config{.enabled = true,
                                .error_ratio = 0.5,
                                .volume_threshold = 10,
                                .window_ms = 10'000,
                                .sleep_window_ms = 5'000,
                                .sleep_window_max_ms = 20'000,
                                .trial_share = 0.1,
                                .trial_connections = 4};
  CircuitBreaker breaker;
  uint64_t now_ms = 1'000'000;

  void take(uint64_t ended, uint64_t failed) {
    breaker.count({.opened = ended, .ended = ended, .failed = failed}, now_ms, config);
  }
  bool pass(uint64_t ms) {
    now_ms += ms;
    take(0, 0);
    return breaker.advance(now_ms, 1, config);
  }
  // Closed and failing: opens. Returns how long it sleeps.
  uint64_t trip() {
    take(10, 10);
    EXPECT_TRUE(breaker.is_failing(config));
    breaker.open(now_ms, 1, config);
    return breaker.sleep_ms();
  }
  void wake() {
    EXPECT_TRUE(pass(breaker.sleep_ms()));
    EXPECT_EQ(breaker.state(), BreakerState::half_open);
  }
};

TEST_F(Breaker, closed_needs_both_the_volume_and_the_ratio) {
  EXPECT_FALSE(breaker.is_failing(config));
  take(9, 9);
  EXPECT_FALSE(breaker.is_failing(config)) << "one too few";
  take(1, 0);
  EXPECT_TRUE(breaker.is_failing(config)) << "9 of 10";
  take(8, 0);
  EXPECT_TRUE(breaker.is_failing(config)) << "9 of 18: exactly half";
  take(1, 0);
  EXPECT_FALSE(breaker.is_failing(config)) << "9 of 19";
  EXPECT_NEAR(breaker.error_ratio(), 9.0 / 19, 1e-9);
  EXPECT_EQ(breaker.state(), BreakerState::closed) << "whether it goes is for others to say";
  EXPECT_FALSE(pass(1));
}

TEST_F(Breaker, the_least_ratio_still_needs_a_failure) {
  config.error_ratio = 0.0001;
  take(1000, 0);
  EXPECT_FALSE(breaker.is_failing(config));
  take(1, 1);
  EXPECT_TRUE(breaker.is_failing(config));
}

TEST_F(Breaker, what_is_older_than_the_window_does_not_count) {
  take(10, 10);
  pass(8'999);
  EXPECT_TRUE(breaker.is_failing(config));
  pass(1'001);
  EXPECT_FALSE(breaker.is_failing(config));
  take(9, 9);
  EXPECT_FALSE(breaker.is_failing(config));
  pass(100'000'000);
  take(9, 9);
  EXPECT_FALSE(breaker.is_failing(config)) << "a long silence forgets all";
}

TEST_F(Breaker, the_window_slides) {
  for (int second = 0; second < 10; ++second) {
    take(2, 1);
    pass(1'000);
  }
  EXPECT_TRUE(breaker.is_failing(config));
  for (int second = 0; second < 9; ++second) {
    take(2, 0);
    pass(1'000);
  }
  EXPECT_FALSE(breaker.is_failing(config));
}

TEST_F(Breaker, resets_of_old_connections_are_at_most_everything) {
  breaker.count({.opened = 10, .ended = 10, .failed = 500}, now_ms, config);
  EXPECT_DOUBLE_EQ(breaker.error_ratio(), 1);
  breaker.open(now_ms, 1, config);
  EXPECT_EQ(breaker.cause(), "100% of 10 connections failed in 10 s");
}

TEST_F(Breaker, open_sleeps_as_long_as_it_shall_and_says_why) {
  take(50, 30);
  breaker.open(now_ms, 1.1, config);
  EXPECT_EQ(breaker.state(), BreakerState::open);
  EXPECT_EQ(breaker.cause(), "60% of 50 connections failed in 10 s");
  EXPECT_EQ(breaker.sleep_ms(), 5'500u);
  EXPECT_EQ(breaker.ejections(), 1u);
  EXPECT_FALSE(breaker.is_failing(config));
  EXPECT_FALSE(pass(5'499));
  EXPECT_TRUE(pass(1));
  EXPECT_EQ(breaker.state(), BreakerState::half_open);
}

TEST_F(Breaker, open_hears_of_nothing) {
  trip();
  take(100, 100);
  wake();
  EXPECT_EQ(breaker.trial().ended, 0u);
}

TEST_F(Breaker, half_open_closes_after_enough_good_trials) {
  trip();
  wake();
  take(3, 1);
  EXPECT_FALSE(pass(0));
  take(1, 0);
  EXPECT_TRUE(pass(0));
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  EXPECT_FALSE(breaker.is_failing(config)) << "the window begins anew";
}

TEST_F(Breaker, half_open_opens_as_soon_as_it_cannot_pass) {
  trip();
  wake();
  take(1, 1);
  EXPECT_FALSE(pass(0)) << "three good ones would still be enough";
  take(1, 1);
  EXPECT_TRUE(pass(0));
  EXPECT_EQ(breaker.state(), BreakerState::open);
  EXPECT_EQ(breaker.cause(), "100% of 2 connections failed on trial");
  EXPECT_EQ(breaker.ejections(), 2u);
}

TEST_F(Breaker, half_open_waits_as_long_as_nobody_comes) {
  trip();
  wake();
  EXPECT_FALSE(pass(1'000'000));
  EXPECT_EQ(breaker.state(), BreakerState::half_open);
}

TEST_F(Breaker, half_open_does_not_blame_a_trial_for_what_began_before) {
  trip();
  wake();
  // Ten SYNs from before it was opened time out now.
  breaker.count({.opened = 0, .ended = 10, .failed = 10}, now_ms, config);
  EXPECT_FALSE(pass(0));
  EXPECT_EQ(breaker.trial().failed, 0u);
}

TEST_F(Breaker, sleeps_longer_each_time_up_to_the_most) {
  EXPECT_EQ(trip(), 5'000u);
  for (const uint64_t sleep_ms : {10'000u, 20'000u, 20'000u}) {
    wake();
    take(4, 4);
    EXPECT_TRUE(pass(0));
    EXPECT_EQ(breaker.sleep_ms(), sleep_ms);
  }
  for (int i = 0; i < 100; ++i) {
    wake();
    take(4, 4);
    EXPECT_TRUE(pass(0));
  }
  EXPECT_EQ(breaker.sleep_ms(), 20'000u) << "however often";
}

TEST_F(Breaker, forgets_how_often_once_it_was_well_for_the_longest_sleep) {
  trip();
  wake();
  take(4, 0);
  EXPECT_TRUE(pass(0));
  EXPECT_EQ(trip(), 10'000u) << "again at once";
  wake();
  take(4, 0);
  EXPECT_TRUE(pass(0));
  pass(20'000);
  EXPECT_EQ(trip(), 5'000u);
}

TEST_F(Breaker, closed_by_checks_begins_anew) {
  trip();
  breaker.close(now_ms);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  EXPECT_FALSE(breaker.is_failing(config));
  EXPECT_FALSE(pass(1'000'000)) << "the sleep has ended with it";
}

}  // namespace
}  // namespace millrace::control
