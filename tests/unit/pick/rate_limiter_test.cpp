// rate_limiter_test.cpp: what passes in virtual time.
#include "dataplane/pick/rate_limiter.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr ServiceSlot kWeb{3}, kMail{4};

IpAddr addr(const std::string& text) { return parse_ip(text).value(); }

// Connections that pass in `ms` of which each brings `per_ms`.
unsigned passed(RateLimiter& limiter, const ServiceSettings& service, const IpAddr& source, uint64_t from_ms,
                uint64_t ms, unsigned per_ms) {
  unsigned count = 0;
  for (uint64_t now_ms = from_ms; now_ms < from_ms + ms; ++now_ms)
    for (unsigned i = 0; i < per_ms; ++i) count += limiter.take_connection(service, kWeb, source, now_ms) ? 0 : 1;
  return count;
}

TEST(RateLimiter, a_seconds_worth_at_once_and_then_the_rate) {
  RateLimiter limiter(1);
  ServiceSettings service;
  service.connection_rate = 500;
  EXPECT_EQ(passed(limiter, service, addr("192.0.2.1"), 5'000, 1, 2'000), 500u);
  EXPECT_EQ(limiter.take_connection(service, kWeb, addr("192.0.2.2"), 5'000), DropReason::connection_rate);
  EXPECT_FALSE(limiter.take_connection(service, kMail, addr("192.0.2.2"), 5'000)) << "another service's bucket";
  EXPECT_EQ(passed(limiter, service, addr("192.0.2.1"), 5'001, 10'000, 3), 5'000u);
}

TEST(RateLimiter, a_slower_stream_never_waits) {
  RateLimiter limiter(1);
  ServiceSettings service;
  service.connection_rate = 1'000;
  service.source_connection_rate = 1'000;
  EXPECT_EQ(passed(limiter, service, addr("2001:db8::1"), 77, 20'000, 1), 20'000u);
}

TEST(RateLimiter, each_worker_lets_its_share_through) {
  ServiceSettings service;
  service.connection_rate = 1'000;
  unsigned count = 0;
  for (unsigned worker = 0; worker < 4; ++worker) {
    RateLimiter limiter(4);
    count += passed(limiter, service, addr("192.0.2.1"), 9, 10'000, 2);
  }
  EXPECT_NEAR(count, 1'000 * 11, 8);
}

// One token comes in four seconds; a bucket still holds one.
TEST(RateLimiter, a_rate_below_one_a_second_and_worker) {
  RateLimiter limiter(4);
  ServiceSettings service;
  service.connection_rate = 1;
  EXPECT_EQ(passed(limiter, service, addr("192.0.2.1"), 0, 3'999, 1), 1u);
  EXPECT_EQ(passed(limiter, service, addr("192.0.2.1"), 3'999, 8'001, 1), 2u);
}

TEST(RateLimiter, sources_are_told_apart_by_their_prefix) {
  RateLimiter limiter(1);
  ServiceSettings service;
  service.source_connection_rate = 10;
  service.source_prefix4 = 24;
  service.source_prefix6 = 64;
  const auto full = [&](const char* source) {
    return limiter.take_connection(service, kWeb, addr(source), 1) == DropReason::source_rate;
  };
  EXPECT_EQ(passed(limiter, service, addr("192.0.2.1"), 1, 1, 20), 10u);
  EXPECT_EQ(passed(limiter, service, addr("2001:db8:0:1::1"), 1, 1, 20), 10u);
  EXPECT_TRUE(full("192.0.2.255"));
  EXPECT_TRUE(full("2001:db8:0:1:ffff::"));
  EXPECT_FALSE(full("192.0.3.1"));
  EXPECT_FALSE(full("2001:db8:0:2::1"));
}

TEST(RateLimiter, packets_and_connections_have_tokens_of_their_own) {
  RateLimiter limiter(1);
  ServiceSettings service;
  service.connection_rate = 2;
  service.packet_rate = 3;
  service.source_packet_rate = 2;
  service.source_prefix4 = 32;
  const IpAddr first = addr("192.0.2.1"), second = addr("192.0.2.2");
  EXPECT_EQ(passed(limiter, service, first, 1, 1, 9), 2u);
  EXPECT_FALSE(limiter.take_packet(service, kWeb, first, 1));
  EXPECT_FALSE(limiter.take_packet(service, kWeb, first, 1));
  EXPECT_EQ(limiter.take_packet(service, kWeb, first, 1), DropReason::source_rate);
  EXPECT_FALSE(limiter.take_packet(service, kWeb, second, 1));
  EXPECT_EQ(limiter.take_packet(service, kWeb, second, 1), DropReason::packet_rate);
}

// Whoever is over its rate is remembered while others, who are not, come and go.
TEST(RateLimiter, a_flood_of_sources_does_not_free_who_waits_longest) {
  RateLimiter limiter(1);
  ServiceSettings service;
  service.source_connection_rate = 10;
  service.source_prefix4 = 32;
  const IpAddr greedy = addr("192.0.2.1");
  EXPECT_EQ(passed(limiter, service, greedy, 1, 1, 20), 10u);
  for (uint32_t i = 0; i < 4 * RateLimiter::kSourceSets * RateLimiter::kSourceWays; ++i)
    EXPECT_FALSE(limiter.take_connection(service, kWeb, IpAddr::from_ipv4(Be32::from_host(0x0a00'0000 + i)), 1));
  EXPECT_EQ(limiter.take_connection(service, kWeb, greedy, 1), DropReason::source_rate);
}

}  // namespace
}  // namespace millrace
