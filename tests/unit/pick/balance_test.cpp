// balance_test.cpp: how each scheduler deals clients to backends: by weight, by load, by client.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/pick/pick_fixture.h"

namespace millrace {
namespace {

class Balancing : public PickFixture {
 protected:
  void expect_shares(const Picked& picked, const std::vector<BackendTarget>& all, double tolerance = 0.05) {
    double picks = 0, weights = 0;
    for (const auto& [slot, count] : picked) picks += count;
    for (const BackendTarget& one : all) weights += one.weight;
    for (const BackendTarget& one : all) {
      const double share = picks * one.weight / weights;
      const auto found = picked.find(raw(one.slot));
      EXPECT_NEAR(found == picked.end() ? 0 : found->second, share, share * tolerance)
          << "slot " << raw(one.slot) << ", balance " << static_cast<int>(service_.balance);
    }
  }
  // Each stays open; the backends' bandwidth is that of their connections.
  Picked pick_and_keep(unsigned count) {
    Picked picked;
    for (unsigned n = 0; n < count; ++n) {
      const uint16_t slot = raw(pick_for(n));
      set_open(slot, ++picked[slot]);
      bandwidths_.set(BackendSlot{slot}, picked[slot] * 1000ull);
    }
    return picked;
  }
};

const std::vector<BackendTarget> kWeighted = {target(0, 1), target(1, 2), target(2, 5), target(3, 8)};

TEST_F(Balancing, every_scheduler_but_roundrobin_deals_by_weight) {
  for (const Balance balance : kAllBalances) {
    if (balance == Balance::roundrobin || balance == Balance::leastconn) continue;
    serve(balance, kWeighted);
    expect_shares(pick_many(200'000), kWeighted);
  }
}

TEST_F(Balancing, load_settles_by_weight) {
  for (const Balance balance : {Balance::leastconn, Balance::p2c, Balance::leastbandwidth}) {
    serve(balance, kWeighted);
    for (uint16_t slot = 0; slot < 4; ++slot) {
      set_open(slot, 0);
      bandwidths_.set(BackendSlot{slot}, 0);
    }
    expect_shares(pick_and_keep(40'000), kWeighted);
  }
}

TEST_F(Balancing, weights_of_1_and_256) {
  const std::vector<BackendTarget> all = {target(0, 1), target(1, 256), target(2, 256)};
  for (const Balance balance : {Balance::random, Balance::iphash, Balance::iphash1}) {
    serve(balance, all);
    expect_shares(pick_many(1'000'000), all, 0.10);
  }
}

TEST_F(Balancing, many_backends) {
  for (const Balance balance : {Balance::random, Balance::iphash, Balance::p2c, Balance::fastest}) {
    serve(balance, targets(1000));
    for (const auto& [slot, count] : pick_many(1'000'000)) EXPECT_NEAR(count, 1000, 200) << slot;
  }
}

TEST_F(Balancing, priority_groups_of_every_scheduler) {
  for (const Balance balance : kAllBalances) {
    std::vector<PickCandidate> all = candidates(targets(4));
    all[2].priority = all[3].priority = 1;
    serve_candidates(balance, all);
    const Picked first = pick_many(400);
    EXPECT_TRUE(first.contains(0) && first.contains(1) && first.size() == 2);
    all[0].eligible = all[1].eligible = false;
    serve_candidates(balance, all);
    const Picked second = pick_many(400);
    EXPECT_TRUE(second.contains(2) && second.contains(3) && second.size() == 2);
  }
}

TEST_F(Balancing, p2c_leaves_the_busiest_alone) {
  serve(Balance::p2c, targets(3));
  set_open(0, 10);
  set_open(1, 20);
  set_open(2, 1000);
  second_worker_.backends[1] = 500;  // all workers count
  const Picked picked = pick_many(30'000);
  EXPECT_FALSE(picked.contains(2));
  EXPECT_NEAR(picked.at(0), 20'000, 600);  // in two of three pairs, and always taken
}

TEST_F(Balancing, p2c_compares_connections_by_weight) {
  serve(Balance::p2c, {target(0, 1), target(1, 10)});
  set_open(0, 2);
  set_open(1, 15);
  EXPECT_EQ(pick_many(1000), (Picked{{1, 1000}}));
  set_open(1, 25);
  EXPECT_EQ(pick_many(1000), (Picked{{0, 1000}}));
}

TEST_F(Balancing, leastbandwidth_leaves_the_busiest_alone) {
  serve(Balance::leastbandwidth, targets(3));
  bandwidths_.set(BackendSlot{0}, 1'000'000);
  bandwidths_.set(BackendSlot{1}, 2'000'000'000);
  bandwidths_.set(BackendSlot{2}, 400'000'000'000);  // beyond 32 bits
  const Picked picked = pick_many(30'000);
  EXPECT_FALSE(picked.contains(2));
  EXPECT_GT(picked.at(0), picked.at(1));
}

TEST_F(Balancing, fastest_prefers_the_sooner_answer) {
  serve(Balance::fastest, targets(3));
  for (const auto& [slot, us] : Picked{{0, 100}, {1, 1000}, {2, 10'000}})
    state_->handshakes.add(BackendSlot{slot}, us, now_ms_);
  const Picked picked = pick_many(30'000);
  EXPECT_FALSE(picked.contains(2));
  EXPECT_NEAR(picked.at(0), 20'000, 600);
}

TEST_F(Balancing, fastest_takes_small_differences_for_noise) {
  serve(Balance::fastest, targets(2));
  state_->handshakes.add(BackendSlot{0}, 100, now_ms_);
  state_->handshakes.add(BackendSlot{1}, 115, now_ms_);
  expect_shares(pick_many(100'000), targets(2));
}

TEST_F(Balancing, fastest_gives_the_unknown_a_chance_and_the_forgotten_another) {
  serve(Balance::fastest, targets(2));
  state_->handshakes.add(BackendSlot{0}, 50, now_ms_);
  EXPECT_EQ(pick_many(100), (Picked{{1, 100}}));
  state_->handshakes.add(BackendSlot{1}, 5000, now_ms_);
  EXPECT_EQ(pick_many(100), (Picked{{0, 100}}));
  now_ms_ += kHandshakeForgottenMs - 1;
  state_->handshakes.add(BackendSlot{0}, 50, now_ms_);
  EXPECT_EQ(pick_many(100), (Picked{{0, 100}}));
  now_ms_ += 1;
  EXPECT_EQ(pick_many(100), (Picked{{1, 100}}));
}

TEST_F(Balancing, iphash_and_iphash1_look_at_the_address_alone_and_maglev_at_the_port_too) {
  const IpAddr client = ip("2001:db8::7");
  for (const Balance balance : {Balance::iphash, Balance::iphash1})
    EXPECT_EQ(hash_of_client(balance, client, port(1)), hash_of_client(balance, client, port(2)));
  EXPECT_NE(hash_of_client(Balance::maglev, client, port(1)), hash_of_client(Balance::maglev, client, port(2)));
  EXPECT_EQ(hash_of_client(Balance::maglev, client, port(1)), flow_hash(client, port(1)));
}

// Every host of a VIP sends a client to the same backend.
TEST_F(Balancing, those_by_client_do_not_depend_on_the_worker) {
  for (const Balance balance : {Balance::iphash, Balance::iphash1, Balance::maglev}) {
    serve(balance, kWeighted);
    std::vector<BackendSlot> first;
    for (uint32_t n = 0; n < 1000; ++n) first.push_back(pick_for(n));
    state_ = std::make_unique<PickState>();
    state_->random.seed(12'345);
    state_->next.fill(99);
    for (uint32_t n = 0; n < 1000; ++n) EXPECT_EQ(pick_for(n), first[n]);
  }
}

class Leaving : public Balancing {
 protected:
  // Of 20,000 clients, those of other backends that changed theirs when `slot` left.
  unsigned moved_when_one_left(Balance balance, uint16_t slot, bool tables_rebuilt) {
    std::vector<PickCandidate> all = candidates(targets(10, 3));
    all[4].target.weight = 9;
    serve_candidates(balance, all);
    std::vector<BackendSlot> before;
    for (uint32_t n = 0; n < 20'000; ++n) before.push_back(pick_for(n));
    all[slot].eligible = false;
    if (tables_rebuilt)
      serve_candidates(balance, all);
    else
      eligible_.set(BackendSlot{slot}, false);
    unsigned moved = 0;
    for (uint32_t n = 0; n < 20'000; ++n) {
      const BackendSlot now = pick_for(n);
      EXPECT_NE(now, BackendSlot{slot});
      moved += before[n] != BackendSlot{slot} && now != before[n];
    }
    return moved;
  }
};

TEST_F(Leaving, iphash1_moves_the_clients_of_who_leaves_and_no_other) {
  for (const uint16_t slot : {0, 4, 9})
    for (const bool rebuilt : {false, true}) EXPECT_EQ(moved_when_one_left(Balance::iphash1, slot, rebuilt), 0u);
}

TEST_F(Leaving, iphash_moves_others_too_once_the_list_has_changed) {
  EXPECT_EQ(moved_when_one_left(Balance::iphash, 4, false), 0u);
  EXPECT_GT(moved_when_one_left(Balance::iphash, 4, true), 2000u);
}

class Limits : public Balancing {
 protected:
  static std::vector<BackendTarget> limited(uint16_t count, uint32_t max) {
    std::vector<BackendTarget> all = targets(count);
    for (BackendTarget& one : all) one.connections_max = max;
    return all;
  }
};

TEST_F(Limits, a_full_backend_is_passed_over_by_every_scheduler) {
  for (const Balance balance : kAllBalances) {
    serve(balance, limited(3, 100));
    for (const uint16_t slot : {0, 2}) set_open(slot, 0);
    set_open(1, 60);
    second_worker_.backends[1] = 40;
    const Picked picked = pick_many(300);
    EXPECT_TRUE(picked.contains(0) && picked.contains(2) && picked.size() == 2) << static_cast<int>(balance);
    for (const uint16_t slot : {0, 2}) set_open(slot, 99);
    set_open(1, 59);
    EXPECT_TRUE(pick_many(300).contains(1)) << static_cast<int>(balance);
  }
}

TEST_F(Limits, every_place_is_taken_and_none_more) {
  for (const Balance balance : kAllBalances) {
    for (uint16_t slot = 0; slot < 4; ++slot) set_open(slot, 0);
    serve(balance, limited(4, 25));
    ++now_ms_;
    Picked picked;
    for (uint32_t n = 0; n < 200; ++n) {
      const BackendSlot slot = pick_for(n);
      if (slot != kNoBackend) set_open(raw(slot), ++picked[raw(slot)]);
    }
    EXPECT_EQ(picked, (Picked{{0, 25}, {1, 25}, {2, 25}, {3, 25}})) << static_cast<int>(balance);
  }
}

TEST_F(Limits, all_full_is_told_once_a_millisecond) {
  serve(Balance::roundrobin, limited(2, 1));
  set_open(0, 1);
  set_open(1, 1);
  EXPECT_EQ(pick_with({}).result, PickResult::all_full);
  EXPECT_EQ(pick_with({}).result, PickResult::still_full);
  set_open(0, 0);
  EXPECT_EQ(pick_with({}).result, PickResult::still_full) << "a place is found a millisecond later at most";
  ++now_ms_;
  EXPECT_EQ(pick(), BackendSlot{0});
}

TEST_F(Limits, one_that_is_avoided_makes_nobody_full_for_others) {
  serve(Balance::roundrobin, limited(2, 1));
  set_open(0, 1);
  EXPECT_EQ(pick_with({.avoid = BackendSlot{1}}).result, PickResult::all_full);
  EXPECT_EQ(pick(), BackendSlot{1});
}

TEST_F(Limits, down_is_not_full) {
  serve(Balance::random, limited(2, 1));
  eligible_.set(BackendSlot{0}, false);
  eligible_.set(BackendSlot{1}, false);
  EXPECT_EQ(pick_with({}).result, PickResult::none_eligible);
}

TEST_F(Limits, a_full_group_does_not_wake_the_backups) {
  std::vector<PickCandidate> all = candidates(limited(2, 1));
  all[1].priority = 1;
  serve_candidates(Balance::weight, all);
  set_open(0, 1);
  EXPECT_EQ(pick_with({}).result, PickResult::all_full);
}

class SlowStart : public Balancing {
 protected:
  // Share of backend 0, which began to warm up `passed_ms` ago, in percent of an equal one's.
  double percent_after(Balance balance, uint32_t passed_ms) {
    serve(balance, targets(4));
    service_.slow_start_ms = 30'000;
    eligible_.set_warming(BackendSlot{0}, now_ms_ - passed_ms);
    const Picked picked = pick_many(100'000);
    double others = 0;
    for (uint16_t slot = 1; slot < 4; ++slot) others += picked.at(slot) / 3.0;
    return 100.0 * (picked.contains(0) ? picked.at(0) : 0) / others;
  }
};

TEST_F(SlowStart, grows_from_a_tenth_to_the_whole) {
  for (const Balance balance : {Balance::roundrobin, Balance::weight, Balance::random}) {
    EXPECT_NEAR(percent_after(balance, 0), 10, 2);
    EXPECT_NEAR(percent_after(balance, 15'000), 55, 4);
    EXPECT_NEAR(percent_after(balance, 29'999), 100, 4);
    EXPECT_NEAR(percent_after(balance, 30'000), 100, 4);
  }
}

TEST_F(SlowStart, what_a_warming_backend_does_not_take_goes_to_all_others_alike) {
  serve(Balance::roundrobin, targets(4));
  service_.slow_start_ms = 30'000;
  eligible_.set_warming(BackendSlot{0}, now_ms_);
  const Picked picked = pick_many(10'000);
  for (uint16_t slot = 2; slot < 4; ++slot) EXPECT_NEAR(picked.at(slot), picked.at(1), 5);
}

TEST_F(SlowStart, leastconn_and_p2c_give_it_a_part_of_the_others_load) {
  for (const Balance balance : {Balance::leastconn, Balance::p2c}) {
    serve(balance, targets(2));
    service_.slow_start_ms = 30'000;
    eligible_.set_warming(BackendSlot{0}, now_ms_ - 15'000);
    set_open(0, 0);
    set_open(1, 0);
    Picked picked = pick_and_keep(10'000);
    EXPECT_NEAR(picked[0] / static_cast<double>(picked[1]), 0.55, 0.03) << static_cast<int>(balance);
  }
}

TEST_F(SlowStart, one_that_is_alone_gets_everything) {
  for (const Balance balance : kAllBalances) {
    serve(balance, targets(1));
    service_.slow_start_ms = 30'000;
    eligible_.set_warming(BackendSlot{0}, now_ms_);
    EXPECT_EQ(pick_many(1000), (Picked{{0, 1000}}));
  }
}

TEST_F(SlowStart, the_main_lcores_clock_may_be_ahead_and_come_round) {
  serve(Balance::roundrobin, targets(2));
  service_.slow_start_ms = 30'000;
  now_ms_ = 5;
  eligible_.set_warming(BackendSlot{0}, 6);
  EXPECT_LT(pick_many(1000).at(0), 200u);
  eligible_.set_warming(BackendSlot{0}, UINT32_MAX - 30'000);
  EXPECT_EQ(pick_many(1000).at(0), 500u);
}

class Trial : public Balancing {
 protected:
  // Of four backends the first is on trial.
  void serve_trial(Balance balance, uint8_t share, uint16_t count = 4) {
    serve(balance, targets(count));
    eligible_.set(BackendSlot{0}, BackendStanding::trial);
    eligible_.set_trial(BackendSlot{0}, share);
  }
};

TEST_F(Trial, of_every_scheduler_gets_its_part_at_most) {
  for (const Balance balance : kAllBalances) {
    serve_trial(balance, 26);
    Picked picked = pick_many(100'000);
    EXPECT_GT(picked[0], 1'000u) << static_cast<int>(balance);
    EXPECT_LT(picked[0], 12'000u) << static_cast<int>(balance);
    for (uint16_t slot = 1; slot < 4; ++slot) EXPECT_GT(picked[slot], 10'000u) << static_cast<int>(balance);
  }
}

TEST_F(Trial, with_few_connections_is_not_everybodys_choice) {
  for (const Balance balance : {Balance::leastconn, Balance::p2c}) {
    serve_trial(balance, 26, 2);
    set_open(0, 0);
    set_open(1, 1000);
    EXPECT_LT(pick_many(10'000).at(0), 1'300u) << static_cast<int>(balance);
  }
}

TEST_F(Trial, who_is_alone_gets_everything) {
  for (const Balance balance : kAllBalances) {
    serve_trial(balance, 1, 2);
    eligible_.set(BackendSlot{1}, false);
    EXPECT_EQ(pick_many(1000), (Picked{{0, 1000}})) << static_cast<int>(balance);
  }
}

TEST_F(Trial, is_not_asked_again_when_it_is_to_be_avoided) {
  serve_trial(Balance::weight, 26, 1);
  EXPECT_EQ(pick_with({.avoid = BackendSlot{0}}).result, PickResult::none_eligible);
}

}  // namespace
}  // namespace millrace
