// routes_test.cpp: the tries against the rule itself: longest prefix, then lowest metric.
#include "dataplane/ports/routes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace millrace {
namespace {

IpAddr ip(const char* text) { return parse_ip(text).value(); }

bool covers(const Route& route, const IpAddr& addr) {
  if (route.prefix.is_ipv4() != addr.is_ipv4()) return false;
  const unsigned bits = route.prefix_bits + (addr.is_ipv4() ? 96u : 0u);
  for (unsigned bit = 0; bit < bits; ++bit) {
    const uint8_t mask = static_cast<uint8_t>(0x80 >> (bit % 8));
    if ((route.prefix.bytes[bit / 8] & mask) != (addr.bytes[bit / 8] & mask)) return false;
  }
  return true;
}

const Route* best_by_search(const std::vector<Route>& routes, const IpAddr& addr) {
  const Route* best = nullptr;
  for (const Route& route : routes) {
    if (!covers(route, addr)) continue;
    if (best == nullptr || route.prefix_bits > best->prefix_bits ||
        (route.prefix_bits == best->prefix_bits && route.metric < best->metric))
      best = &route;
  }
  return best;
}

// Few distinct bytes, so that prefixes nest and lookups hit.
IpAddr random_addr(std::mt19937& random, bool ipv4) {
  IpAddr addr = ipv4 ? IpAddr::from_ipv4(Be32{}) : IpAddr{};
  for (unsigned i = ipv4 ? 12 : 0; i < 16; ++i) addr.bytes[i] = static_cast<uint8_t>(random() % 3 * 0x55);
  return addr;
}

Route random_route(std::mt19937& random, bool ipv4, uint32_t metric) {
  Route route;
  route.prefix = random_addr(random, ipv4);
  route.prefix_bits = static_cast<uint8_t>(random() % (ipv4 ? 33 : 129));
  for (unsigned bit = route.prefix_bits + (ipv4 ? 96u : 0u); bit < 128; ++bit)
    route.prefix.bytes[bit / 8] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  route.port = static_cast<PortIndex>(random() % kPortMax);
  if (random() % 2 == 0) route.gateway = random_addr(random, ipv4);
  route.metric = metric;  // all different, so that one answer is right
  return route;
}

TEST(RouteTable, EmptyTable_FindsNothing) {
  const RouteTable table({}, 3);
  RouteHop hop;
  EXPECT_FALSE(table.lookup(ip("10.0.0.1"), hop));
  EXPECT_FALSE(table.lookup(ip("fd00::1"), hop));
  EXPECT_EQ(table.epoch(), 3);
}

TEST(RouteTable, OnLink_NextHopIsTheDestination) {
  const RouteTable table({{ip("10.1.0.0"), 16, PortIndex{2}, std::nullopt, 0}}, 1);
  RouteHop hop;
  ASSERT_TRUE(table.lookup(ip("10.1.2.3"), hop));
  EXPECT_EQ(hop.port, PortIndex{2});
  EXPECT_EQ(hop.next_hop, ip("10.1.2.3"));
  EXPECT_FALSE(table.lookup(ip("10.2.0.1"), hop));
}

TEST(RouteTable, DefaultRoutes_AreOfTheirFamily) {
  const RouteTable table(
      {{ip("0.0.0.0"), 0, PortIndex{0}, ip("10.0.0.254"), 0}, {ip("::"), 0, PortIndex{1}, ip("fe80::1"), 1024}}, 1);
  RouteHop hop;
  ASSERT_TRUE(table.lookup(ip("192.0.2.1"), hop));
  EXPECT_EQ(hop.next_hop, ip("10.0.0.254"));
  ASSERT_TRUE(table.lookup(ip("2001:db8::1"), hop));
  EXPECT_EQ(hop.next_hop, ip("fe80::1"));
  EXPECT_EQ(hop.port, PortIndex{1});
}

TEST(RouteTable, SamePrefix_LowestMetricWinsInAnyOrder) {
  const Route good{ip("10.0.0.0"), 8, PortIndex{1}, std::nullopt, 10};
  const Route bad{ip("10.0.0.0"), 8, PortIndex{2}, std::nullopt, 20};
  for (const std::vector<Route>& routes : {std::vector{good, bad}, std::vector{bad, good}}) {
    const RouteTable table(routes, 1);
    RouteHop hop;
    ASSERT_TRUE(table.lookup(ip("10.9.9.9"), hop));
    EXPECT_EQ(hop.port, PortIndex{1});
  }
}

std::vector<Route> equal_hops(std::initializer_list<std::pair<const char*, uint16_t>> gateways) {
  std::vector<Route> routes;
  for (const auto& [gateway, weight] : gateways)
    routes.push_back({ip("10.0.0.0"), 8, PortIndex{1}, ip(gateway), 10, weight});
  return routes;
}
bool all_alive(const Route&) { return true; }

TEST(RouteTable, EqualCost_StandTogetherAndWorseOnesDoNotCount) {
  std::vector<Route> routes = equal_hops({{"192.0.2.1", 1}, {"192.0.2.2", 1}});
  routes.push_back({ip("10.0.0.0"), 8, PortIndex{2}, ip("192.0.2.3"), 20});
  routes.push_back({ip("10.0.0.0"), 16, PortIndex{2}, ip("192.0.2.4"), 10});
  routes.push_back({ip("fd00::"), 8, PortIndex{2}, ip("fd00::1"), 10});
  std::mt19937 random(1);
  for (unsigned round = 0; round < 10; ++round) {
    std::shuffle(routes.begin(), routes.end(), random);
    const RouteTable table(routes, 1);
    EXPECT_EQ(table.hops_to(ip("10.9.9.9")).size(), 2u);
    EXPECT_EQ(table.hops_to(ip("10.0.9.9")).size(), 1u);
    EXPECT_EQ(table.hops_to(ip("fd00::9")).size(), 1u);
    EXPECT_TRUE(table.hops_to(ip("11.0.0.1")).empty());
  }
}

TEST(RouteTable, EqualCost_NoMoreThanTheMost) {
  std::vector<Route> routes;
  for (uint8_t i = 0; i < kEcmpMax + 9; ++i) {
    IpAddr gateway = ip("192.0.2.0");
    gateway.bytes[15] = i;
    routes.push_back({ip("10.0.0.0"), 8, PortIndex{1}, gateway, 10});
  }
  EXPECT_EQ(RouteTable(routes, 1).hops_to(ip("10.9.9.9")).size(), kEcmpMax);
}

TEST(OwnHop, FlowsSpreadByWeight) {
  const std::vector<Route> hops = equal_hops({{"192.0.2.1", 1}, {"192.0.2.2", 2}, {"192.0.2.3", 5}});
  std::mt19937 random(7);
  std::map<IpAddr, unsigned> flows;
  for (unsigned i = 0; i < 80'000; ++i) ++flows[*own_hop(hops, random(), all_alive).gateway];
  for (const Route& hop : hops) EXPECT_NEAR(flows[*hop.gateway], 10'000.0 * hop.weight, 500.0);
}

// RFC 2992 section 4 tells what other ways of choosing move.
TEST(OwnHop, AHopThatComesOrGoesMovesItsOwnFlowsAlone) {
  const std::vector<Route> few = equal_hops({{"192.0.2.1", 1}, {"192.0.2.3", 3}});
  const std::vector<Route> more = equal_hops({{"192.0.2.1", 1}, {"192.0.2.2", 2}, {"192.0.2.3", 3}});
  std::mt19937 random(8);
  for (unsigned i = 0; i < 20'000; ++i) {
    const uint32_t flow = random();
    const IpAddr with = *own_hop(more, flow, all_alive).gateway;
    const IpAddr without = *own_hop(few, flow, all_alive).gateway;
    EXPECT_TRUE(with == without || with == ip("192.0.2.2"));
  }
}

TEST(OwnHop, NoneToTheDeadWhileOneLives) {
  const std::vector<Route> hops = equal_hops({{"192.0.2.1", 100}, {"192.0.2.2", 1}, {"192.0.2.3", 1}});
  std::mt19937 random(9);
  for (unsigned i = 0; i < 1000; ++i) {
    const uint32_t flow = random();
    const Route& own = own_hop(hops, flow, all_alive);
    const Route& among_living = own_hop(hops, flow, [](const Route& hop) { return hop.gateway != ip("192.0.2.1"); });
    EXPECT_NE(among_living.gateway, ip("192.0.2.1"));
    if (own.gateway != ip("192.0.2.1")) {
      EXPECT_EQ(among_living.gateway, own.gateway);
    }
    EXPECT_EQ(own_hop(hops, flow, [](const Route&) { return false; }).gateway, own.gateway);
  }
}

TEST(RouteTable, RandomRoutes_AgreeWithASearch) {
  std::mt19937 random(20240607);
  unsigned hits = 0;
  for (unsigned round = 0; round < 20; ++round) {
    std::vector<Route> routes;
    for (uint32_t i = 0; i < 500; ++i) routes.push_back(random_route(random, i % 2 == 0, i));
    const RouteTable table(routes, 1);
    for (unsigned i = 0; i < 2000; ++i) {
      const IpAddr addr = random_addr(random, i % 2 == 0);
      const Route* expected = best_by_search(routes, addr);
      RouteHop hop;
      ASSERT_EQ(table.lookup(addr, hop), expected != nullptr) << format_ip(addr);
      if (expected == nullptr) continue;
      ++hits;
      EXPECT_EQ(hop.port, expected->port) << format_ip(addr);
      EXPECT_EQ(hop.next_hop, expected->gateway ? *expected->gateway : addr) << format_ip(addr);
    }
  }
  EXPECT_GT(hits, 10'000u);
}

}  // namespace
}  // namespace millrace
