// xdp_blocklist_test.cpp: the blocklist in the XDP program, filled by XdpBlocklist and run in the kernel on frames
// (BPF_PROG_TEST_RUN). Its xsks_map has no socket, so that what is ours is dropped, too; what is blocked is counted.
#include "dataplane/ports/xdp_blocklist.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <memory>

#include "dataplane/bpf/steer_loader.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

constexpr uint8_t kTcp = 6, kUdp = 17, kIcmp = 1, kIcmp6 = 58;

Bytes framed(const Bytes& packet) {
  return wire::ether(MacAddr{{2, 0, 0, 0, 0, 1}}, MacAddr{{2, 0, 0, 0, 0, 2}}, packet);
}
Bytes udp(const char* src, const char* dst, uint16_t port, const Bytes& payload = Bytes(16)) {
  return wire::ip(addr(src), addr(dst), kUdp, wire::udp({addr(src), addr(dst), 4000, port}, payload));
}
Bytes tcp(const char* src, const char* dst, uint16_t port) {
  return wire::ip(addr(src), addr(dst), kTcp, wire::tcp({addr(src), addr(dst), 4000, port}, 2, {}));
}
Bytes icmp(const char* src, const char* dst, uint8_t type) {
  return wire::ip(addr(src), addr(dst), addr(src).is_ipv4() ? kIcmp : kIcmp6,
                  wire::icmp(addr(src), addr(dst), type, 0, 0, Bytes(24)));
}

// The world of these tests: 203.0.113.1 and 2001:db8::1 are VIPs wholly ours; 203.0.113.2 and 2001:db8::2 are, too, with
// SNAT ports 20000-20999; 203.0.113.3 and 2001:db8::3 are SNAT addresses alone; 10.0.0.1 and fd00::1 are the kernel's.
// UDP port 53 of all but the third is a service. Those on the list are 198.51.100.0/24 and 2001:db8:bad::/48.
class XdpBlocklistTest : public testing::Test {
 protected:
  XdpBlocklistTest() : object_(bpf_object__open_file(steer_object_path().c_str(), nullptr), bpf_object__close) {
    if (!object_ || bpf_object__load(object_.get()) != 0)
      throw std::runtime_error("cannot load the program; run as root");
    program_ = bpf_program__fd(bpf_object__find_program_by_name(object_.get(), STEER_PROGRAM));
    maps_.blocking = map(STEER_BLOCKING_MAP);
    maps_.blocked = map(STEER_BLOCKED_MAP);
    maps_.vips = map(STEER_VIPS_MAP);
    maps_.drops = map(STEER_DROPS_MAP);
    vips_ = world();
    for (const VipTable::ServiceRow& row : vips_.services()) {
      const uint32_t value = 1;
      bpf_map_update_elem(bpf_object__find_map_fd_by_name(object_.get(), STEER_SERVICES_MAP), &row.key, &value,
                          BPF_ANY);
    }
    list_.open(maps_);
    follow(kListed);
  }
  static VipTable world(uint16_t snat_first = 20000) {
    VipTable vips;
    for (const char* text : {"203.0.113.1", "2001:db8::1", "203.0.113.2", "2001:db8::2", "10.0.0.1", "fd00::1"}) {
      vips.add_service({.addr = addr(text), .port = Be16::from_host(53), .proto = Proto::udp}, ServiceSlot{0});
      vips.add_address(addr(text), {.is_vip = true, .kernel_owned = text[0] == '1' || text[0] == 'f'});
    }
    for (const char* text : {"203.0.113.2", "2001:db8::2", "203.0.113.3", "2001:db8::3"}) {
      vips.add_address(addr(text), {.is_snat = true});
      vips.add_snat_range(addr(text), addr(text), snat_first, 20999);
    }
    return vips;
  }
  int map(const char* name) const {
    return fcntl(bpf_object__find_map_fd_by_name(object_.get(), name), F_DUPFD_CLOEXEC, 3);
  }
  void follow(const std::vector<BlockedPrefix>& prefixes) {
    std::string error;
    EXPECT_TRUE(list_.follow(compile_blocklist(prefixes).get(), vips_, error)) << error;
  }
  // Whether the program counts the packet as blocked.
  bool blocks(const Bytes& packet) {
    const uint64_t before = list_.dropped();
    const Bytes frame = framed(packet);
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<uint32_t>(frame.size());
    EXPECT_EQ(bpf_prog_test_run_opts(program_, &options), 0);
    const bool blocked = list_.dropped() != before;
    EXPECT_TRUE(!blocked || options.retval == XDP_DROP);
    return blocked;
  }

  static inline const std::vector<BlockedPrefix> kListed = {{addr("198.51.100.0"), 24}, {addr("2001:db8:bad::"), 48}};

  std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object_;
  int program_ = -1;
  SteerMaps maps_;
  VipTable vips_;
  XdpBlocklist list_;
};

TEST_F(XdpBlocklistTest, everything_to_a_vip) {
  for (const auto& [src, dst] :
       {std::pair{"198.51.100.0", "203.0.113.1"}, std::pair{"198.51.100.255", "203.0.113.1"},
        std::pair{"2001:db8:bad::", "2001:db8::1"}, std::pair{"2001:db8:bad:ffff::9", "2001:db8::1"}}) {
    EXPECT_TRUE(blocks(udp(src, dst, 53))) << src;
    EXPECT_TRUE(blocks(tcp(src, dst, 9))) << src << ": no service";
    EXPECT_TRUE(blocks(icmp(src, dst, 128))) << src;
    EXPECT_TRUE(blocks(wire::ip(addr(src), addr(dst), 47, Bytes(20)))) << src << ": GRE";
    for (const Bytes& piece : wire::fragments(udp(src, dst, 53, Bytes(1000)), 400, 7))
      EXPECT_TRUE(blocks(piece)) << src;
  }
}

TEST_F(XdpBlocklistTest, nobody_else) {
  for (const char* src : {"198.51.99.255", "198.51.101.0", "203.0.113.9"})
    EXPECT_FALSE(blocks(udp(src, "203.0.113.1", 53))) << src;
  for (const char* src : {"2001:db8:bac:ffff::", "2001:db8:bae::", "fe80::1"})
    EXPECT_FALSE(blocks(udp(src, "2001:db8::1", 53))) << src;
}

TEST_F(XdpBlocklistTest, nothing_to_others) {
  EXPECT_FALSE(blocks(udp("198.51.100.1", "192.0.2.1", 53)));
  EXPECT_FALSE(blocks(udp("2001:db8:bad::1", "2001:db8:2::1", 53)));
  EXPECT_FALSE(blocks(udp("198.51.100.1", "203.0.113.3", 20000))) << "a SNAT address alone";
  EXPECT_FALSE(blocks(udp("2001:db8:bad::1", "2001:db8::3", 9)));
}

TEST_F(XdpBlocklistTest, of_the_kernels_address_the_service_alone) {
  for (const auto& [src, dst] : {std::pair{"198.51.100.1", "10.0.0.1"}, std::pair{"2001:db8:bad::1", "fd00::1"}}) {
    EXPECT_TRUE(blocks(udp(src, dst, 53)));
    EXPECT_FALSE(blocks(udp(src, dst, 22)));
    EXPECT_FALSE(blocks(tcp(src, dst, 53)));
    EXPECT_FALSE(blocks(icmp(src, dst, 128)));
    for (const Bytes& piece : wire::fragments(udp(src, dst, 53, Bytes(1000)), 400, 8))
      EXPECT_FALSE(blocks(piece)) << "later ones must find their first: the workers drop them all";
  }
}

TEST_F(XdpBlocklistTest, where_a_vip_has_snat_ports_what_may_be_an_answer_passes) {
  for (const auto& [src, dst] :
       {std::pair{"198.51.100.1", "203.0.113.2"}, std::pair{"2001:db8:bad::1", "2001:db8::2"}}) {
    EXPECT_TRUE(blocks(udp(src, dst, 53)));
    EXPECT_TRUE(blocks(tcp(src, dst, 19999)));
    EXPECT_FALSE(blocks(udp(src, dst, 20000)));
    EXPECT_FALSE(blocks(tcp(src, dst, 20999)));
    EXPECT_FALSE(blocks(icmp(src, dst, 3)));
    EXPECT_FALSE(blocks(wire::fragments(udp(src, dst, 20000, Bytes(1000)), 400, 7)[1]));
  }
}

TEST_F(XdpBlocklistTest, neighbour_discovery_passes) {
  for (const uint8_t type : {uint8_t{133}, uint8_t{135}, uint8_t{136}, uint8_t{137}})
    EXPECT_FALSE(blocks(icmp("2001:db8:bad::1", "2001:db8::1", type))) << int{type};
  EXPECT_TRUE(blocks(icmp("2001:db8:bad::1", "2001:db8::1", 132)));
}

// IPv4 addresses are IPv4-mapped ones in other maps.
TEST_F(XdpBlocklistTest, one_familys_prefix_holds_none_of_the_other) {
  follow({{IpAddr{}, 0}});
  EXPECT_TRUE(blocks(udp("2001:db8:9::1", "2001:db8::1", 53)));
  EXPECT_FALSE(blocks(udp("192.0.2.1", "203.0.113.1", 53)));
  follow({{addr("0.0.0.0"), 0}});
  EXPECT_FALSE(blocks(udp("2001:db8:9::1", "2001:db8::1", 53)));
  EXPECT_TRUE(blocks(udp("192.0.2.1", "203.0.113.1", 53)));
}

TEST_F(XdpBlocklistTest, follows_every_list) {
  follow({{addr("192.0.2.0"), 24}, {addr("192.0.2.0"), 24}, {addr("192.0.2.7"), 32}});
  EXPECT_TRUE(blocks(udp("192.0.2.7", "203.0.113.1", 53)));
  EXPECT_FALSE(blocks(udp("198.51.100.1", "203.0.113.1", 53)));
  follow({{addr("192.0.2.7"), 32}});
  EXPECT_TRUE(blocks(udp("192.0.2.7", "203.0.113.1", 53)));
  EXPECT_FALSE(blocks(udp("192.0.2.8", "203.0.113.1", 53)));
  follow({});
  EXPECT_FALSE(blocks(udp("192.0.2.7", "203.0.113.1", 53)));
}

TEST_F(XdpBlocklistTest, follows_the_vips) {
  vips_ = VipTable{};
  follow(kListed);
  EXPECT_FALSE(blocks(tcp("198.51.100.1", "203.0.113.1", 9)));
  vips_ = world(20500);
  follow(kListed);
  EXPECT_TRUE(blocks(tcp("198.51.100.1", "203.0.113.1", 9)));
  EXPECT_TRUE(blocks(udp("198.51.100.1", "203.0.113.2", 20000))) << "a SNAT port no more";
  EXPECT_FALSE(blocks(udp("198.51.100.1", "203.0.113.2", 20500)));
}

TEST_F(XdpBlocklistTest, a_successor_goes_on_and_counts_anew) {
  EXPECT_TRUE(blocks(udp("198.51.100.1", "203.0.113.1", 53)));
  XdpBlocklist successor;
  successor.open(maps_);
  EXPECT_EQ(successor.dropped(), 0u);
  EXPECT_TRUE(blocks(udp("198.51.100.1", "203.0.113.1", 53)));
  EXPECT_EQ(successor.dropped(), 1u);
  std::string error;
  EXPECT_TRUE(successor.follow(nullptr, vips_, error)) << error;
  EXPECT_FALSE(blocks(udp("198.51.100.1", "203.0.113.1", 53))) << "nothing stale stays";
}

}  // namespace
}  // namespace millrace
