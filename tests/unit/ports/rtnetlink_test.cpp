// rtnetlink_test.cpp: messages made by hand, right and wrong ones; and a kernel that tells more than fits.
#include "dataplane/ports/rtnetlink.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "tests/unit/ports/veth_pair.h"

namespace millrace {
namespace {

IpAddr ip(const char* text) { return parse_ip(text).value(); }

class Message {
 public:
  template <typename Header>
  Message(uint16_t type, const Header& header) : message_(mnl_nlmsg_put_header(buffer_.data())) {
    message_->nlmsg_type = type;
    std::memcpy(mnl_nlmsg_put_extra_header(message_, sizeof header), &header, sizeof header);
  }
  Message& put(uint16_t type, const void* data, size_t bytes) {
    mnl_attr_put(message_, type, bytes, data);
    return *this;
  }
  Message& put(uint16_t type, uint32_t value) { return put(type, &value, sizeof value); }
  Message& put(uint16_t type, const IpAddr& addr) {
    const size_t first = addr.is_ipv4() ? 12 : 0;
    return put(type, addr.bytes.data() + first, addr.bytes.size() - first);
  }
  nlmsghdr& header() { return *message_; }

 private:
  alignas(nlmsghdr) std::array<char, 512> buffer_{};
  nlmsghdr* message_;
};

rtmsg route_header(uint8_t family, uint8_t bits) {
  rtmsg header{};
  header.rtm_family = family;
  header.rtm_dst_len = bits;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_type = RTN_UNICAST;
  return header;
}

TEST(ParseRoute, Ipv4WithGateway_IsRead) {
  Message message(RTM_NEWROUTE, route_header(AF_INET, 24));
  message.put(RTA_DST, ip("198.51.100.0")).put(RTA_OIF, 7).put(RTA_GATEWAY, ip("10.0.0.1")).put(RTA_PRIORITY, 5);
  const auto route = parse_route(message.header());
  ASSERT_TRUE(route.has_value());
  EXPECT_EQ(route->prefix, ip("198.51.100.0"));
  EXPECT_EQ(route->prefix_bits, 24);
  EXPECT_EQ(route->metric, 5u);
  ASSERT_EQ(route->hops.size(), 1u);
  EXPECT_EQ(route->hops[0].ifindex, 7u);
  EXPECT_EQ(route->hops[0].gateway, ip("10.0.0.1"));
}

TEST(ParseRoute, DefaultRoutes_HaveTheirFamilysZero) {
  Message ipv4(RTM_NEWROUTE, route_header(AF_INET, 0));
  Message ipv6(RTM_NEWROUTE, route_header(AF_INET6, 0));
  EXPECT_EQ(parse_route(ipv4.put(RTA_OIF, 1).header())->prefix, ip("0.0.0.0"));
  EXPECT_EQ(parse_route(ipv6.put(RTA_OIF, 1).header())->prefix, ip("::"));
}

TEST(ParseRoute, OtherKinds_AreLeftOut) {
  rtmsg header = route_header(AF_INET, 24);
  header.rtm_type = RTN_BLACKHOLE;
  EXPECT_FALSE(parse_route(Message(RTM_NEWROUTE, header).header()).has_value());
  header = route_header(AF_INET, 24);
  header.rtm_table = RT_TABLE_LOCAL;
  EXPECT_FALSE(parse_route(Message(RTM_NEWROUTE, header).header()).has_value());
  header = route_header(AF_INET6, 24);
  header.rtm_flags = RTM_F_CLONED;
  EXPECT_FALSE(parse_route(Message(RTM_NEWROUTE, header).header()).has_value());
  EXPECT_FALSE(parse_route(Message(RTM_NEWROUTE, route_header(AF_BRIDGE, 24)).header()).has_value());
  Message table_attribute(RTM_NEWROUTE, route_header(AF_INET, 24));
  EXPECT_FALSE(parse_route(table_attribute.put(RTA_TABLE, 1000).header()).has_value());
}

TEST(ParseRoute, LyingLengths_AreRefused) {
  EXPECT_FALSE(parse_route(Message(RTM_NEWROUTE, route_header(AF_INET, 33)).header()).has_value());
  EXPECT_FALSE(parse_route(Message(RTM_NEWROUTE, route_header(AF_INET6, 129)).header()).has_value());
  EXPECT_FALSE(parse_route(Message(RTM_NEWROUTE, uint32_t{AF_INET}).header()).has_value()) << "half a header";
  Message wrong_family(RTM_NEWROUTE, route_header(AF_INET, 24));
  EXPECT_FALSE(parse_route(wrong_family.put(RTA_DST, ip("fd00::")).header()).has_value());
  Message short_address(RTM_NEWROUTE, route_header(AF_INET, 24));
  EXPECT_FALSE(parse_route(short_address.put(RTA_DST, "abc", 3).header()).has_value());
}

TEST(ParseRoute, Multipath_LeavesDeadHopsOutAndStopsAtLies) {
  struct {
    rtnexthop hop;
  } hops[3]{};
  hops[0].hop = {sizeof(rtnexthop), RTNH_F_DEAD, 0, 1};
  hops[1].hop = {sizeof(rtnexthop), 0, 6, 2};
  hops[2].hop = {4000, 0, 0, 3};  // longer than what is there
  Message message(RTM_NEWROUTE, route_header(AF_INET, 24));
  const auto route = parse_route(message.put(RTA_DST, ip("10.0.0.0")).put(RTA_MULTIPATH, hops, sizeof hops).header());
  ASSERT_TRUE(route.has_value());
  ASSERT_EQ(route->hops.size(), 1u);
  EXPECT_EQ(route->hops[0].ifindex, 2u);
  EXPECT_EQ(route->hops[0].weight, 7) << "the kernel says one less";
}

TEST(ParseAddress, PointToPoint_IsTheLocalEnd) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_index = 4;
  Message message(RTM_NEWADDR, header);
  const auto address = parse_address(message.put(IFA_ADDRESS, ip("10.0.0.2")).put(IFA_LOCAL, ip("10.0.0.1")).header());
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->addr, ip("10.0.0.1"));
  EXPECT_EQ(address->ifindex, 4u);
  EXPECT_TRUE(address->usable);
}

TEST(ParseAddress, Tentative_IsNotUsable) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET6;
  Message message(RTM_NEWADDR, header);
  message.put(IFA_ADDRESS, ip("fd00::1")).put(IFA_FLAGS, IFA_F_TENTATIVE);
  EXPECT_FALSE(parse_address(message.header())->usable);
}

TEST(ParseNeighbour, StatesAndMacs) {
  constexpr MacAddr kMac{{2, 0, 0, 0, 0, 1}};
  ndmsg header{};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = 3;
  const auto mac_in_state = [&](uint16_t type, uint16_t state, size_t mac_bytes) {
    header.ndm_state = state;
    Message message(type, header);
    message.put(NDA_DST, ip("10.0.0.1"));
    if (mac_bytes != 0) message.put(NDA_LLADDR, kMac.bytes.data(), mac_bytes);
    return parse_neighbour(message.header())->mac;
  };
  for (const uint16_t state : {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT})
    EXPECT_EQ(mac_in_state(RTM_NEWNEIGH, state, 6), kMac) << state;
  for (const uint16_t state : {NUD_FAILED, NUD_INCOMPLETE, NUD_NONE})
    EXPECT_FALSE(mac_in_state(RTM_NEWNEIGH, state, 6).has_value()) << state;
  EXPECT_FALSE(mac_in_state(RTM_DELNEIGH, NUD_REACHABLE, 6).has_value());
  EXPECT_FALSE(mac_in_state(RTM_NEWNEIGH, NUD_REACHABLE, 4).has_value()) << "no Ethernet address";
  EXPECT_FALSE(mac_in_state(RTM_NEWNEIGH, NUD_REACHABLE, 0).has_value());
}

// A link as the kernel tells it: "eth1.100" with index 9 on interface 4.
struct VlanText {
  const char* kind = "vlan";
  uint16_t type = ETH_P_8021Q;
  uint16_t id = 100;
};
std::optional<KernelVlan> parse(const VlanText& text) {
  ifinfomsg link{};
  link.ifi_index = 9;
  Message message(RTM_NEWLINK, link);
  const uint16_t type = htons(text.type);
  message.put(IFLA_IFNAME, "eth1.100", 9).put(IFLA_LINK, 4);
  nlattr* info = mnl_attr_nest_start(&message.header(), IFLA_LINKINFO);
  message.put(IFLA_INFO_KIND, text.kind, strlen(text.kind) + 1);
  nlattr* data = mnl_attr_nest_start(&message.header(), IFLA_INFO_DATA);
  message.put(IFLA_VLAN_ID, &text.id, sizeof text.id).put(IFLA_VLAN_PROTOCOL, &type, sizeof type);
  mnl_attr_nest_end(&message.header(), data);
  mnl_attr_nest_end(&message.header(), info);
  return parse_vlan(message.header());
}

TEST(ParseVlan, TaggedInterface_IsRead) {
  const auto vlan = parse({});
  ASSERT_TRUE(vlan.has_value());
  EXPECT_EQ(vlan->ifindex, 9u);
  EXPECT_EQ(vlan->name, "eth1.100");
  EXPECT_EQ(vlan->device_ifindex, 4u);
  EXPECT_EQ(vlan->id, 100);
}

TEST(ParseVlan, OtherLinks_AreNone) {
  EXPECT_FALSE(parse({.kind = "veth"}));
  EXPECT_FALSE(parse({.type = ETH_P_8021AD})) << "the outer tag of two";
  EXPECT_FALSE(parse({.id = 0}));
  EXPECT_FALSE(parse_vlan(Message(RTM_NEWLINK, ifinfomsg{}).header()));
  EXPECT_FALSE(parse_vlan(Message(RTM_NEWLINK, uint8_t{}).header())) << "too short for its header";
}

TEST(Rtnetlink, MoreThanTheBufferHolds_IsReported) {
  const VethPair net;
  Rtnetlink kernel;
  flood_neighbours(net);
  bool complete = true;
  unsigned heard = 0;
  for (unsigned i = 0; i < 1000 && complete; ++i)
    complete = kernel.read_notifications(100, [&](const nlmsghdr&) { ++heard; });
  EXPECT_FALSE(complete);
  unsigned known = 0;
  kernel.dump(RTM_GETNEIGH, [&](const nlmsghdr& message) { known += parse_neighbour(message)->mac.has_value(); });
  EXPECT_GE(known, 80u * 254u);
}

}  // namespace
}  // namespace millrace
