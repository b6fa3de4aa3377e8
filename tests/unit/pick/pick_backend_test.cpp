#include "dataplane/pick/pick_backend.h"

#include <gtest/gtest.h>

#include "tests/unit/pick/pick_fixture.h"

namespace millrace {
namespace {

using pick_backend_roundrobin = PickFixture;
using pick_backend_weight = PickFixture;
using pick_backend_leastconn = PickFixture;
using pick_backend_maglev = PickFixture;
using pick_backend_any = PickFixture;

TEST_F(pick_backend_roundrobin, hands_out_in_turn) {
  serve(Balance::roundrobin, targets(3));
  EXPECT_EQ(pick(), BackendSlot{0});
  EXPECT_EQ(pick(), BackendSlot{1});
  EXPECT_EQ(pick(), BackendSlot{2});
  EXPECT_EQ(pick(), BackendSlot{0});
}

TEST_F(pick_backend_roundrobin, the_cursor_may_wrap) {
  serve(Balance::roundrobin, targets(3));
  state_->next[3] = 0xffff'ffff;
  EXPECT_EQ(pick(), BackendSlot{0});
  EXPECT_EQ(pick(), BackendSlot{0});
  EXPECT_EQ(pick(), BackendSlot{1});
}

TEST_F(pick_backend_weight, deals_in_proportion) {
  serve(Balance::weight, {target(0, 5), target(1, 1), target(2, 2)});
  EXPECT_EQ(pick_many(800), (Picked{{0, 500}, {1, 100}, {2, 200}}));
}

TEST_F(pick_backend_leastconn, takes_the_least_loaded_over_all_workers) {
  serve(Balance::leastconn, targets(3));
  set_open(0, 2);
  set_open(1, 1);
  second_worker_.backends[1] = 3;
  second_worker_.backends[2] = 3;
  for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(pick(), BackendSlot{0});
}

TEST_F(pick_backend_leastconn, counts_load_by_weight) {
  serve(Balance::leastconn, {target(0, 1), target(1, 10)});
  set_open(0, 1);
  set_open(1, 15);
  EXPECT_EQ(pick(), BackendSlot{1});  // 16/10 against 2/1
  set_open(1, 20);
  EXPECT_EQ(pick(), BackendSlot{0});  // 21/10 against 2/1
}

TEST_F(pick_backend_leastconn, equal_ones_take_turns) {
  serve(Balance::leastconn, targets(4));
  for (const auto& [slot, count] : pick_many(400)) EXPECT_EQ(count, 100u) << slot;
}

TEST_F(pick_backend_leastconn, skips_one_that_went_down) {
  serve(Balance::leastconn, targets(2));
  set_open(1, 100);
  eligible_.set(BackendSlot{0}, false);
  EXPECT_EQ(pick(), BackendSlot{1});
}

TEST_F(pick_backend_maglev, one_client_stays_with_one_backend) {
  serve(Balance::maglev, targets(5));
  const uint32_t hash = flow_hash(ip("192.0.2.7"), port(40'000));
  const BackendSlot first = pick(hash);
  for (unsigned i = 0; i < 10; ++i) EXPECT_EQ(pick(hash), first);
}

TEST_F(pick_backend_maglev, spreads_clients) {
  serve(Balance::maglev, targets(4));
  for (const auto& [slot, count] : pick_many(40'000)) EXPECT_NEAR(count, 10'000, 500) << slot;
}

// The tables still name it; the next burst must not.
TEST_F(pick_backend_any, one_that_goes_down_gets_nothing_before_the_tables_are_rebuilt) {
  for (const Balance balance : kAllBalances) {
    serve(balance, targets(3, 7));
    eligible_.set(BackendSlot{1}, false);
    const Picked picked = pick_many(300);
    EXPECT_EQ(picked.size(), 2u);
    EXPECT_FALSE(picked.contains(1));
    eligible_.set(BackendSlot{0}, false);
    EXPECT_EQ(pick_many(300), (Picked{{2, 300}}));
    eligible_.set(BackendSlot{2}, false);
    EXPECT_EQ(pick(), kNoBackend);
  }
}

// More steps of the sequence than are followed belong to the one that went down.
TEST_F(pick_backend_any, finds_the_last_one_behind_a_long_stale_run) {
  serve(Balance::weight, {target(0, 255), target(1, 256), target(2, 1)});
  eligible_.set(BackendSlot{0}, false);
  eligible_.set(BackendSlot{1}, false);
  EXPECT_EQ(pick_many(300), (Picked{{2, 300}}));
}

TEST_F(pick_backend_any, families_are_apart) {
  BackendTarget six = target(4);
  six.addr = ip("fd00::4");
  serve(Balance::roundrobin, {target(0), six});
  EXPECT_EQ(pick(0, Family::ipv4), BackendSlot{0});
  EXPECT_EQ(pick(0, Family::ipv6), BackendSlot{4});
  EXPECT_EQ(pick(0, Family::ipv4), BackendSlot{0});
}

TEST_F(pick_backend_any, no_backend_without_targets) {
  for (const Balance balance : kAllBalances) {
    serve(balance, {});
    EXPECT_EQ(pick(), kNoBackend);
  }
}

TEST(flow_hash, is_the_same_in_every_build) {
  EXPECT_EQ(flow_hash(ip("192.0.2.1"), port(12'345)), 789279832u);
  EXPECT_EQ(flow_hash(ip("2001:db8::1"), port(443)), 3370909446u);
}

// A backend that has just failed, whatever the scheduler would say.
TEST_F(PickFixture, never_the_one_to_avoid) {
  for (const Balance balance : kAllBalances) {
    serve(balance, {target(0), target(1), target(2)});
    for (uint32_t i = 0; i < 300; ++i) {
      const BackendSlot picked = pick(i * 7919, Family::ipv4, BackendSlot{1});
      EXPECT_NE(picked, BackendSlot{1});
      EXPECT_NE(picked, kNoBackend);
    }
    serve(balance, {target(1)});
    EXPECT_EQ(pick(0, Family::ipv4, BackendSlot{1}), kNoBackend) << "nobody else is left";
  }
}

}  // namespace
}  // namespace millrace
