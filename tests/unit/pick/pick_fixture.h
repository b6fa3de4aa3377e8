// pick_fixture.h: one service and what a worker sees of its backends, for tests of pick_backend.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "dataplane/pick/pick_backend.h"
#include "tests/unit/pick/pick_targets.h"

namespace millrace {

inline constexpr Balance kAllBalances[] = {
    Balance::roundrobin, Balance::weight,  Balance::leastconn, Balance::maglev, Balance::leastbandwidth,
    Balance::iphash,     Balance::iphash1, Balance::random,    Balance::p2c,    Balance::fastest};

class PickFixture : public testing::Test {
 protected:
  using Picked = std::map<uint16_t, unsigned>;  // picks by slot

  void serve(Balance balance, const std::vector<BackendTarget>& all) { serve_candidates(balance, candidates(all)); }
  void serve_candidates(Balance balance, const std::vector<PickCandidate>& all) {
    service_.slot = ServiceSlot{3};
    service_.balance = balance;
    service_.ipv4 = build_pick_table(balance, Family::ipv4, all);
    service_.ipv6 = build_pick_table(balance, Family::ipv6, all);
    for (const PickCandidate& one : all) eligible_.set(one.target.slot, one.eligible);
  }
  Pick pick_with(const PickWish& wish, Family family = Family::ipv4) {
    const PickView view{eligible_, open_, bandwidths_, now_ms_};
    return pick_backend(service_, service_.table(family), wish, view, *state_);
  }
  // The slot, or kNoBackend.
  BackendSlot pick(uint32_t client_hash = 0, Family family = Family::ipv4, BackendSlot avoid = kNoBackend) {
    const Pick pick = pick_with({.client_hash = client_hash, .avoid = avoid}, family);
    return pick.backend != nullptr ? pick.backend->slot : kNoBackend;
  }
  // Client number n, 198.18.0.0 + n, port n.
  BackendSlot pick_for(uint32_t n) {
    return pick(hash_of_client(service_.balance, IpAddr::from_ipv4(Be32::from_host(0xc612'0000 + n)),
                               Be16{static_cast<uint16_t>(n)}));
  }
  Picked pick_many(unsigned count) {
    Picked picked;
    for (unsigned n = 0; n < count; ++n) ++picked[raw(pick_for(n))];
    return picked;
  }
  void set_open(uint16_t slot, uint32_t count) { first_worker_.backends[slot].store(count); }

  ServiceTables service_;
  EligibleBackends eligible_;
  OpenCounts open_;
  OpenCounts::Row& first_worker_ = open_.add_row();
  OpenCounts::Row& second_worker_ = open_.add_row();
  Bandwidths bandwidths_;
  uint32_t now_ms_ = 100'000;
  std::unique_ptr<PickState> state_ = std::make_unique<PickState>();
};

}  // namespace millrace
