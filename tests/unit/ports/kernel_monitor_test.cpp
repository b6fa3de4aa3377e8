// kernel_monitor_test.cpp: against a real kernel, in network namespaces of the test's own.
#include "dataplane/ports/kernel_monitor.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "millrace/conn_entry.h"
#include "tests/unit/ports/veth_pair.h"

namespace millrace {
namespace {

IpAddr ip(const char* text) { return parse_ip(text).value(); }

class KernelMonitorTest : public testing::Test {
 protected:
  KernelMonitorTest() {
    Port port;
    port.index = PortIndex{0};
    port.kernel_ifindex = if_nametoindex(VethPair::kHere);
    Port kernelless;
    kernelless.index = PortIndex{1};
    ports = {port, kernelless};
    configured.resize(2);
  }

  void start() { monitor = std::make_unique<KernelMonitor>(ports, configured, neighbours); }

  // Polls until `done`, 3 s at most.
  bool poll_until(const std::function<bool()>& done) {
    for (unsigned i = 0; i < 300; ++i) {
      const KernelMonitor::Changes changes = monitor->poll(now_ms += 10);
      seen.routes |= changes.routes;
      seen.addresses |= changes.addresses;
      seen.host_addresses |= changes.host_addresses;
      if (done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  void settle() {
    unsigned rounds = 0;
    poll_until([&] { return ++rounds == 40; });
    seen = {};
  }
  bool has_address(const char* addr) const {
    const auto& all = monitor->addresses();
    return std::find(all.begin(), all.end(), ip(addr)) != all.end();
  }
  bool has_host_address(const char* addr) const {
    const auto& all = monitor->host_addresses();
    return std::find(all.begin(), all.end(), ip(addr)) != all.end();
  }
  const Route* find_route(const char* prefix, uint8_t bits) const {
    for (const Route& route : monitor->routes())
      if (route.prefix == ip(prefix) && route.prefix_bits == bits) return &route;
    return nullptr;
  }
  NextHop next_hop(PortIndex port, const char* addr) const {
    const uint16_t index = neighbours.find(port, ip(addr));
    return index == kNoNeighbour ? NextHop{} : neighbours.read(index);
  }

  VethPair net;
  NeighbourTable neighbours;
  std::vector<Port> ports;
  std::vector<config::PortConfig> configured;
  std::unique_ptr<KernelMonitor> monitor;
  uint64_t now_ms = 1000;
  KernelMonitor::Changes seen;
};

TEST_F(KernelMonitorTest, Start_KnowsAddressesAndConnectedRoutes) {
  start();
  EXPECT_TRUE(has_address("10.77.0.1"));
  EXPECT_TRUE(has_address("fd77::1"));
  EXPECT_FALSE(has_address("127.0.0.1"));
  EXPECT_TRUE(has_host_address("127.0.0.1"));
  ASSERT_NE(find_route("10.77.0.0", 24), nullptr);
  EXPECT_EQ(find_route("10.77.0.0", 24)->port, PortIndex{0});
  EXPECT_FALSE(find_route("10.77.0.0", 24)->gateway.has_value());
  EXPECT_NE(find_route("fd77::", 64), nullptr);
  EXPECT_EQ(find_route("10.77.0.1", 32), nullptr) << "the local table is not forwarding";
}

TEST_F(KernelMonitorTest, AddressComesAndGoes_IsSeen) {
  start();
  settle();
  net.run("ip addr add 10.78.0.1/24 dev here");
  EXPECT_TRUE(poll_until([&] { return has_address("10.78.0.1"); }));
  EXPECT_TRUE(seen.addresses);
  EXPECT_TRUE(seen.routes);
  net.run("ip addr del 10.78.0.1/24 dev here");
  EXPECT_TRUE(poll_until([&] { return !has_address("10.78.0.1") && find_route("10.78.0.0", 24) == nullptr; }));
}

TEST_F(KernelMonitorTest, AddressElsewhere_IsTheHostsOnly) {
  start();
  settle();
  net.run("ip addr add 192.0.2.7/32 dev lo");
  EXPECT_TRUE(poll_until([&] { return has_host_address("192.0.2.7"); }));
  EXPECT_FALSE(has_address("192.0.2.7"));
  EXPECT_FALSE(seen.addresses);
  EXPECT_TRUE(seen.host_addresses);
}

TEST_F(KernelMonitorTest, Nothing_IsNoChange) {
  start();
  settle();
  net.run("ip link set here alias x");  // a notification without a difference
  unsigned rounds = 0;
  poll_until([&] { return ++rounds == 40; });
  EXPECT_FALSE(seen.routes);
  EXPECT_FALSE(seen.addresses);
}

TEST_F(KernelMonitorTest, Multipath_IsARouteForEachHopAndEachIsAsked) {
  start();
  net.run("ip route add 198.51.100.0/24 nexthop via 10.77.0.2 weight 3 nexthop via 10.77.0.9");
  net.run("ip -6 route add 2001:db8:9::/48 nexthop via fd77::2 dev here nexthop via fd77::9 dev here");
  const auto hops_to = [&](const char* prefix) {
    std::map<IpAddr, uint16_t> weights;
    for (const Route& route : monitor->routes())
      if (route.prefix == ip(prefix) && route.gateway) weights[*route.gateway] = route.weight;
    return weights;
  };
  using Weights = std::map<IpAddr, uint16_t>;
  ASSERT_TRUE(poll_until([&] { return hops_to("198.51.100.0").size() == 2 && hops_to("2001:db8:9::").size() == 2; }));
  EXPECT_EQ(hops_to("198.51.100.0"), (Weights{{ip("10.77.0.2"), 3}, {ip("10.77.0.9"), 1}}));
  EXPECT_EQ(hops_to("2001:db8:9::"), (Weights{{ip("fd77::2"), 1}, {ip("fd77::9"), 1}}));
  for (const char* gateway : {"10.77.0.2", "fd77::2"})
    EXPECT_TRUE(poll_until([&] { return next_hop(PortIndex{0}, gateway).resolved(); })) << gateway;
  for (const char* gateway : {"10.77.0.9", "fd77::9"})
    EXPECT_NE(neighbours.find(PortIndex{0}, ip(gateway)), kNoNeighbour) << gateway;
}

TEST_F(KernelMonitorTest, Routes_WithGatewayMetricAndFamily) {
  start();
  net.run("ip route add 198.51.100.0/24 via 10.77.0.2 metric 50");
  net.run("ip -6 route add default via fd77::2 dev here");
  net.run("ip route add 203.0.113.0/24 via inet6 fd77::2 dev here");
  ASSERT_TRUE(poll_until([&] { return find_route("203.0.113.0", 24) != nullptr; }));
  ASSERT_NE(find_route("198.51.100.0", 24), nullptr);
  EXPECT_EQ(find_route("198.51.100.0", 24)->gateway, ip("10.77.0.2"));
  EXPECT_EQ(find_route("198.51.100.0", 24)->metric, 50u);
  ASSERT_NE(find_route("::", 0), nullptr);
  EXPECT_EQ(find_route("::", 0)->gateway, ip("fd77::2"));
  EXPECT_EQ(find_route("203.0.113.0", 24)->gateway, ip("fd77::2"));
  net.run("ip route replace 198.51.100.0/24 via 10.77.0.9 metric 50");
  EXPECT_TRUE(poll_until([&] { return find_route("198.51.100.0", 24)->gateway == ip("10.77.0.9"); }));
  net.run("ip route del 198.51.100.0/24");
  EXPECT_TRUE(poll_until([&] { return find_route("198.51.100.0", 24) == nullptr; }));
}

TEST_F(KernelMonitorTest, RoutesOfNoUse_AreLeftOut) {
  start();
  net.run(
      "ip link add other type veth peer name other2 && ip link set other2 up && ip addr add 10.79.0.1/24 dev other && "
      "ip link set other up");
  net.run("ip route add blackhole 198.18.0.0/24");
  net.run("ip route add 198.18.1.0/24 via 10.77.0.2 table 99");
  net.run("ip route add 198.18.2.0/24 via 10.79.0.2");
  net.run("ip route add 198.18.3.0/24 nexthop via 10.79.0.2 nexthop via 10.77.0.2");
  net.run("ip route add 198.18.4.0/24 via 10.77.0.2");
  ASSERT_TRUE(poll_until([&] { return find_route("198.18.4.0", 24) != nullptr; }));
  EXPECT_EQ(find_route("198.18.0.0", 24), nullptr) << "blackhole";
  EXPECT_EQ(find_route("198.18.1.0", 24), nullptr) << "another table";
  EXPECT_EQ(find_route("198.18.2.0", 24), nullptr) << "by an interface that is no port";
  EXPECT_EQ(find_route("10.79.0.0", 24), nullptr);
  ASSERT_NE(find_route("198.18.3.0", 24), nullptr) << "multipath: the hop by our port";
  EXPECT_EQ(find_route("198.18.3.0", 24)->gateway, ip("10.77.0.2"));
}

TEST_F(KernelMonitorTest, LinkDown_TakesTheRoutesWithIt) {
  start();
  settle();
  net.run("ip link set here down");
  EXPECT_TRUE(poll_until([&] { return find_route("10.77.0.0", 24) == nullptr; }));
  net.run("ip link set here up");
  EXPECT_TRUE(poll_until([&] { return find_route("10.77.0.0", 24) != nullptr; }));
}

TEST_F(KernelMonitorTest, Resolve_MakesTheKernelAsk) {
  net.run_there("ip link set there address 02:00:00:00:00:77");
  start();
  settle();
  monitor->resolve(PortIndex{0}, ip("10.77.0.2"));
  monitor->resolve(PortIndex{0}, ip("fd77::2"));
  EXPECT_FALSE(next_hop(PortIndex{0}, "10.77.0.2").resolved());
  EXPECT_TRUE(poll_until(
      [&] { return next_hop(PortIndex{0}, "10.77.0.2").resolved() && next_hop(PortIndex{0}, "fd77::2").resolved(); }));
  EXPECT_EQ(next_hop(PortIndex{0}, "10.77.0.2").mac(), (MacAddr{{2, 0, 0, 0, 0, 0x77}}));
  EXPECT_EQ(next_hop(PortIndex{0}, "fd77::2").mac(), (MacAddr{{2, 0, 0, 0, 0, 0x77}}));
}

TEST_F(KernelMonitorTest, Resolve_OfWhatTheKernelKnows_IsAtOnce) {
  net.run("ip neigh add 10.77.0.50 lladdr 02:00:00:00:00:50 dev here");
  start();
  monitor->resolve(PortIndex{0}, ip("10.77.0.50"));
  EXPECT_TRUE(next_hop(PortIndex{0}, "10.77.0.50").resolved());
  net.run("ip neigh replace 10.77.0.50 lladdr 02:00:00:00:00:51 dev here");
  EXPECT_TRUE(poll_until([&] { return next_hop(PortIndex{0}, "10.77.0.50").mac().bytes[5] == 0x51; }));
  net.run("ip neigh del 10.77.0.50 dev here");
  EXPECT_TRUE(poll_until([&] { return !next_hop(PortIndex{0}, "10.77.0.50").resolved(); }));
}

TEST_F(KernelMonitorTest, Unresolved_IsAskedAgainUntilItAnswers) {
  start();
  monitor->resolve(PortIndex{0}, ip("10.77.0.60"));
  settle();
  EXPECT_FALSE(next_hop(PortIndex{0}, "10.77.0.60").resolved());
  net.run_there("ip addr add 10.77.0.60/24 dev there");
  bool resolved = false;
  for (unsigned i = 0; i < 6 && !resolved; ++i) {
    now_ms += 4000;  // past the longest pauses
    resolved = poll_until([&] { return next_hop(PortIndex{0}, "10.77.0.60").resolved(); });
  }
  EXPECT_TRUE(resolved);
}

TEST_F(KernelMonitorTest, LostMessages_AreMadeUpByADump) {
  start();
  settle();
  monitor->resolve(PortIndex{0}, ip("10.77.0.50"));
  flood_neighbours(net);  // more than the socket's buffer holds (rtnetlink_test.cpp); what follows is lost
  net.run("ip neigh replace 10.77.0.50 lladdr 02:00:00:00:00:50 dev here nud permanent");
  net.run("ip route add 198.51.100.0/24 via 10.77.0.2");
  EXPECT_TRUE(poll_until([&] {
    return next_hop(PortIndex{0}, "10.77.0.50").mac().bytes[5] == 0x50 && find_route("198.51.100.0", 24) != nullptr;
  }));
}

TEST_F(KernelMonitorTest, StaticEntries_OfAPortWithoutKernel) {
  configured[1].neighbours.push_back({ip("10.99.0.2"), MacAddr{{2, 0, 0, 0, 0, 9}}});
  configured[1].routes.push_back({ip("0.0.0.0"), 0, ip("10.99.0.2")});
  configured[0].routes.push_back({ip("198.51.100.0"), 24, std::nullopt});  // a kernel port: the kernel says
  start();
  EXPECT_TRUE(next_hop(PortIndex{1}, "10.99.0.2").resolved());
  ASSERT_NE(find_route("0.0.0.0", 0), nullptr);
  EXPECT_EQ(find_route("0.0.0.0", 0)->port, PortIndex{1});
  EXPECT_EQ(find_route("198.51.100.0", 24), nullptr);
  settle();
  net.run("ip addr add 10.78.0.1/24 dev here");
  ASSERT_TRUE(poll_until([&] { return find_route("10.78.0.0", 24) != nullptr; }));
  EXPECT_NE(find_route("0.0.0.0", 0), nullptr) << "still there after a dump";
  monitor->resolve(PortIndex{1}, ip("10.99.0.3"));
  settle();
  EXPECT_FALSE(next_hop(PortIndex{1}, "10.99.0.3").resolved());
}

}  // namespace
}  // namespace millrace
