// snat_watch_test.cpp: how full SNAT pools are, from counters of connections; forecast and levels in virtual time.
#include "controlplane/link/snat_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

// Pool lan has 10 ports an IPv4 address and two addresses, and one IPv6 address with 10; fullnat services web and api share
// it. Two workers.
struct SnatWatch_ : testing::Test {
  SnatWatch_() {
    state.snat_pools = {{"lan"}, {"other"}};
    state.snat_ranges = {range(0, "10.9.0.1", "10.9.0.2"), range(0, "fd00::1", "fd00::1"),
                         range(1, "10.9.1.1", "10.9.1.1")};
    state.services = {service("web", 0), service("api", 0), service("mail", 1), service("dns", 0, Proto::udp)};
    state.services.push_back(service("direct", kNoSnatPool));
    state.services.back().mode = Mode::nat;
    const char* names[] = {"web", "api", "mail", "dns", "direct"};
    for (uint16_t slot = 0; slot < 5; ++slot) fake.set_service(slot, names[slot]);
    fake.set_backend(0, 0, endpoint("10.0.0.1:80"));
    fake.set_backend(1, 0, endpoint("10.0.0.2:80"));
    fake.set_backend(2, 1, endpoint("10.0.0.1:80"));
    fake.set_backend(3, 2, endpoint("10.0.0.1:80"));
    fake.set_backend(4, 3, endpoint("10.0.0.1:80"));
    fake.set_backend(5, 0, endpoint("[fd00:1::1]:80"));
    fake.set_backend(6, 4, endpoint("10.0.0.1:80"));
  }

  static SnatRangeCommand range(uint16_t pool, const std::string& first, const std::string& last) {
    return {.pool = pool, .port_first = 2001, .port_last = 2010, .first = *parse_ip(first), .last = *parse_ip(last)};
  }
  static DesiredService service(const std::string& name, uint16_t pool, Proto proto = Proto::tcp) {
    DesiredService made;
    made.name = name;
    made.mode = Mode::fullnat;
    made.proto = proto;
    made.snat_pool = pool;
    return made;
  }
  void open(uint16_t slot, uint64_t first_worker, uint64_t second_worker) {
    fake.backend_counters(0, slot).active.set(first_worker);
    fake.backend_counters(1, slot).active.set(second_worker);
  }
  const SnatUse& lan4(uint64_t now_ms) {
    watch.sample(segment, state, now_ms);
    return watch.uses().at(0);
  }

  TempDir dir;
  std::string path = dir.path("segment");
  FakeDataplane fake{path};
  std::shared_ptr<const Segment> segment = join_segment(path).segment;
  DesiredState state;
  SnatWatch watch;
};

TEST_F(SnatWatch_, pools_by_family) {
  watch.sample(nullptr, state, 0);
  ASSERT_EQ(watch.uses().size(), 3u);
  const SnatUse& lan4 = watch.uses()[0];
  EXPECT_EQ(lan4.pool, "lan");
  EXPECT_EQ(lan4.family, Family::ipv4);
  EXPECT_EQ(lan4.address_count, 2u);
  EXPECT_EQ(lan4.port_count, 20u);
  EXPECT_THAT(lan4.services, testing::ElementsAre("web", "api", "dns"));
  EXPECT_FALSE(lan4.fullest);
  EXPECT_EQ(watch.uses()[1].family, Family::ipv6);
  EXPECT_EQ(watch.uses()[1].port_count, 10u);
  EXPECT_EQ(watch.uses()[2].pool, "other");
  EXPECT_THAT(watch.uses()[2].services, testing::ElementsAre("mail"));
}

TEST_F(SnatWatch_, is_as_full_as_towards_the_fullest_backend) {
  open(0, 1, 2);    // web to 10.0.0.1:80
  open(2, 2, 0);    // api to the same: 3 at worker 0, 2 at worker 1, each of which has 10 ports
  open(1, 2, 2);    // web to another one
  open(4, 9, 0);    // UDP is counted apart, and is fuller
  open(6, 99, 99);  // nat takes nothing
  const SnatUse& use = lan4(0);
  EXPECT_EQ(use.connections, 5u + 4 + 9);
  ASSERT_TRUE(use.fullest);
  EXPECT_EQ(use.fullest->proto, Proto::udp);
  EXPECT_EQ(use.fullest->in_use, 9u);
  EXPECT_DOUBLE_EQ(use.share, 0.9);
  open(4, 0, 0);
  EXPECT_DOUBLE_EQ(lan4(1000).share, 0.3);
  EXPECT_EQ(lan4(1000).fullest->in_use, 5u);
  EXPECT_EQ(lan4(1000).fullest->backend, endpoint("10.0.0.1:80"));
  EXPECT_DOUBLE_EQ(lan4(1000).peak, 0.9);
  EXPECT_DOUBLE_EQ(watch.uses()[1].share, 0) << "the families have ports of their own";
  open(5, 5, 0);
  lan4(2000);
  EXPECT_DOUBLE_EQ(watch.uses()[1].share, 1) << "a worker has half of ten ports";
}

TEST_F(SnatWatch_, says_when_it_will_be_full) {
  open(0, 1, 0);
  EXPECT_FALSE(lan4(0).full_in_s);
  open(0, 2, 0);
  EXPECT_FALSE(lan4(kSnatTrendLeastMs - 1).full_in_s) << "too soon to tell";
  open(0, 3, 0);
  ASSERT_TRUE(lan4(10'000).full_in_s);
  EXPECT_DOUBLE_EQ(*watch.uses()[0].full_in_s, 35);  // a fifth in 10 s, seven tenths are left
  EXPECT_FALSE(lan4(10'000 + kSnatTrendMs + 1).full_in_s) << "no growth within the last minute";
}

TEST_F(SnatWatch_, levels_rise_at_once_and_fall_late) {
  open(0, 0, 8);
  EXPECT_EQ(lan4(0).level, SnatLevel::filling);
  open(0, 0, 10);
  EXPECT_EQ(lan4(1000).level, SnatLevel::nearly_full);
  open(0, 0, 9);
  EXPECT_EQ(lan4(100'000).level, SnatLevel::nearly_full) << "five hundredths below";
  open(0, 0, 8);
  EXPECT_EQ(lan4(200'000).level, SnatLevel::filling);
  open(0, 0, 7);
  EXPECT_EQ(lan4(300'000).level, SnatLevel::ok);
}

TEST_F(SnatWatch_, half_full_and_soon_full_is_filling) {
  open(0, 4, 0);
  EXPECT_EQ(lan4(0).level, SnatLevel::ok);
  open(0, 5, 0);
  EXPECT_EQ(lan4(50'000).level, SnatLevel::filling);  // full in 250 s
  EXPECT_EQ(lan4(130'000).level, SnatLevel::ok);
}

TEST_F(SnatWatch_, backends_of_automatic_pools_have_their_own) {
  state.snat_pools.push_back({"auto-10.9.3.1", true});
  state.snat_ranges.push_back(range(2, "10.9.3.1", "10.9.3.1"));
  state.snat_ranges.back().port_last = 2004;
  state.snat_ranges.push_back(range(2, "10.9.3.1", "10.9.3.1"));
  state.snat_ranges.back().port_first = 2009;
  state.services[0].snat_pool = kNoSnatPool;
  state.services[0].backends = {{.endpoint = endpoint("10.0.0.1:80"), .snat_pool = 2},
                                {.endpoint = endpoint("10.0.0.2:80"), .snat_pool = 1}};
  open(0, 1, 2);
  watch.sample(segment, state, 0);
  ASSERT_EQ(watch.uses().size(), 4u);
  const SnatUse& own = watch.uses()[3];
  EXPECT_EQ(own.pool, "auto-10.9.3.1");
  EXPECT_TRUE(own.automatic);
  EXPECT_EQ(own.address_count, 1u) << "in two ranges";
  EXPECT_EQ(own.port_count, 6u);
  EXPECT_THAT(own.services, testing::ElementsAre("web"));
  EXPECT_EQ(own.connections, 3u);
  EXPECT_DOUBLE_EQ(own.share, 2.0 / 3);
  EXPECT_THAT(watch.uses()[2].services, testing::ElementsAre("web", "mail"));
}

TEST_F(SnatWatch_, what_is_gone_is_forgotten) {
  open(0, 9, 0);
  lan4(0);
  state.snat_ranges.erase(state.snat_ranges.begin());
  watch.sample(segment, state, 1000);
  EXPECT_EQ(watch.uses().size(), 2u);
  state.snat_ranges.push_back(range(0, "10.9.0.1", "10.9.0.2"));
  open(0, 0, 0);
  EXPECT_DOUBLE_EQ(lan4(2000).peak, 0);
}

}  // namespace
}  // namespace millrace::control
