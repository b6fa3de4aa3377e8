#include "dataplane/pick/pick_backend.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "tests/unit/pick/pick_targets.h"

namespace millrace {
namespace {

class PickBackendTest : public testing::Test {
 protected:
  void serve(Balance balance, const std::vector<BackendTarget>& all) {
    service_.slot = ServiceSlot{3};
    service_.balance = balance;
    service_.ipv4 = build_pick_table(balance, Family::ipv4, candidates(all));
    service_.ipv6 = build_pick_table(balance, Family::ipv6, candidates(all));
    for (const BackendTarget& one : all) eligible_.set(one.slot, true);
  }
  // The slot, or kNoBackend.
  BackendSlot pick(uint32_t client_hash = 0, Family family = Family::ipv4, BackendSlot avoid = kNoBackend) {
    const BackendCounters* const rows[] = {first_worker_.get(), second_worker_.get()};
    const BackendTarget* picked = pick_backend(
        service_, service_.table(family), {.client_hash = client_hash, .avoid = avoid}, eligible_, *cursors_, rows);
    return picked != nullptr ? picked->slot : kNoBackend;
  }
  std::map<uint16_t, unsigned> pick_many(unsigned count) {
    std::map<uint16_t, unsigned> picked;
    for (unsigned i = 0; i < count; ++i)
      ++picked[raw(pick(flow_hash(ip("192.0.2.1"), Be16{static_cast<uint16_t>(i)})))];
    return picked;
  }

  ServiceTables service_;
  EligibleBackends eligible_;
  std::unique_ptr<PickCursors> cursors_ = std::make_unique<PickCursors>();
  std::unique_ptr<BackendCounters[]> first_worker_{new BackendCounters[8]};
  std::unique_ptr<BackendCounters[]> second_worker_{new BackendCounters[8]};
};

using pick_backend_roundrobin = PickBackendTest;
using pick_backend_weight = PickBackendTest;
using pick_backend_leastconn = PickBackendTest;
using pick_backend_maglev = PickBackendTest;
using pick_backend_any = PickBackendTest;

TEST_F(pick_backend_roundrobin, hands_out_in_turn) {
  serve(Balance::roundrobin, targets(3));
  EXPECT_EQ(pick(), BackendSlot{0});
  EXPECT_EQ(pick(), BackendSlot{1});
  EXPECT_EQ(pick(), BackendSlot{2});
  EXPECT_EQ(pick(), BackendSlot{0});
}

TEST_F(pick_backend_roundrobin, the_cursor_may_wrap) {
  serve(Balance::roundrobin, targets(3));
  cursors_->next[3] = 0xffff'ffff;
  EXPECT_EQ(pick(), BackendSlot{0});
  EXPECT_EQ(pick(), BackendSlot{0});
  EXPECT_EQ(pick(), BackendSlot{1});
}

TEST_F(pick_backend_weight, deals_in_proportion) {
  serve(Balance::weight, {target(0, 5), target(1, 1), target(2, 2)});
  EXPECT_EQ(pick_many(800), (std::map<uint16_t, unsigned>{{0, 500}, {1, 100}, {2, 200}}));
}

TEST_F(pick_backend_leastconn, takes_the_least_loaded_over_all_workers) {
  serve(Balance::leastconn, targets(3));
  first_worker_[0].active.set(2);
  first_worker_[1].active.set(1);
  second_worker_[1].active.set(3);
  second_worker_[2].active.set(3);
  for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(pick(), BackendSlot{0});
}

TEST_F(pick_backend_leastconn, counts_load_by_weight) {
  serve(Balance::leastconn, {target(0, 1), target(1, 10)});
  first_worker_[0].active.set(1);
  first_worker_[1].active.set(15);
  EXPECT_EQ(pick(), BackendSlot{1});  // 16/10 against 2/1
  first_worker_[1].active.set(20);
  EXPECT_EQ(pick(), BackendSlot{0});  // 21/10 against 2/1
}

TEST_F(pick_backend_leastconn, equal_ones_take_turns) {
  serve(Balance::leastconn, targets(4));
  for (const auto& [slot, count] : pick_many(400)) EXPECT_EQ(count, 100u) << slot;
}

TEST_F(pick_backend_leastconn, skips_one_that_went_down) {
  serve(Balance::leastconn, targets(2));
  first_worker_[1].active.set(100);
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
  for (const Balance balance : {Balance::roundrobin, Balance::weight, Balance::leastconn, Balance::maglev}) {
    serve(balance, targets(3, 7));
    eligible_.set(BackendSlot{1}, false);
    const std::map<uint16_t, unsigned> picked = pick_many(300);
    EXPECT_EQ(picked.size(), 2u);
    EXPECT_FALSE(picked.contains(1));
    eligible_.set(BackendSlot{0}, false);
    EXPECT_EQ(pick_many(300), (std::map<uint16_t, unsigned>{{2, 300}}));
    eligible_.set(BackendSlot{2}, false);
    EXPECT_EQ(pick(), kNoBackend);
  }
}

// More steps of the sequence than are followed belong to the one that went down.
TEST_F(pick_backend_any, finds_the_last_one_behind_a_long_stale_run) {
  serve(Balance::weight, {target(0, 255), target(1, 256), target(2, 1)});
  eligible_.set(BackendSlot{0}, false);
  eligible_.set(BackendSlot{1}, false);
  EXPECT_EQ(pick_many(300), (std::map<uint16_t, unsigned>{{2, 300}}));
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
  for (const Balance balance : {Balance::roundrobin, Balance::weight, Balance::leastconn, Balance::maglev}) {
    serve(balance, {});
    EXPECT_EQ(pick(), kNoBackend);
  }
}

TEST(flow_hash, is_the_same_in_every_build) {
  EXPECT_EQ(flow_hash(ip("192.0.2.1"), port(12'345)), 789279832u);
  EXPECT_EQ(flow_hash(ip("2001:db8::1"), port(443)), 3370909446u);
}

// A backend that has just failed, whatever the scheduler would say.
TEST_F(PickBackendTest, never_the_one_to_avoid) {
  for (const Balance balance : {Balance::roundrobin, Balance::weight, Balance::leastconn, Balance::maglev}) {
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
