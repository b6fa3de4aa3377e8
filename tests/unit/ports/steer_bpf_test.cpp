// steer_bpf_test.cpp: every rule of the XDP program, by running it in the kernel on frames (BPF_PROG_TEST_RUN). Its
// xsks_map has no socket, so what is ours is dropped (XDP_DROP); that it reaches a socket shows af_xdp_test.cpp.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <memory>
#include <vector>

#include "dataplane/bpf/steer_loader.h"
#include "dataplane/bpf/steer_maps.h"
#include "millrace/addr.h"

namespace millrace {
namespace {

// Frames are put together byte by byte; checksums do not matter to the program.
using Bytes = std::string;

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIcmp6 = 58;
constexpr uint8_t kGre = 47;

IpAddr ip(const char* text) { return parse_ip(text).value(); }

Bytes be16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

Bytes addr_bytes(const IpAddr& addr) {
  const Bytes all(reinterpret_cast<const char*>(addr.bytes.data()), addr.bytes.size());
  return addr.is_ipv4() ? all.substr(12) : all;
}

Bytes eth(uint16_t type, const Bytes& payload) { return Bytes(12, 2) + be16(type) + payload; }

struct Ip4 {
  unsigned words = 5;     // header length as the header says
  unsigned fragment = 0;  // flags and offset
  Bytes options;
  char version = 4;
};

Bytes ipv4(const char* src, const char* dst, uint8_t proto, const Bytes& payload, const Ip4& how = {}) {
  Bytes header(1, static_cast<char>(how.version << 4 | static_cast<int>(how.words)));
  header += Bytes(1, 0) + be16(static_cast<unsigned>(20 + how.options.size() + payload.size())) + be16(1);
  header += be16(how.fragment) + Bytes{64, static_cast<char>(proto)} + be16(0);
  return header + addr_bytes(ip(src)) + addr_bytes(ip(dst)) + how.options + payload;
}

Bytes ipv6(const IpAddr& src, const IpAddr& dst, uint8_t next, const Bytes& payload) {
  const Bytes raw_src(reinterpret_cast<const char*>(src.bytes.data()), 16);
  const Bytes raw_dst(reinterpret_cast<const char*>(dst.bytes.data()), 16);
  return Bytes{0x60, 0, 0, 0} + be16(static_cast<unsigned>(payload.size())) + Bytes{static_cast<char>(next), 64} +
         raw_src + raw_dst + payload;
}
Bytes ipv6(const char* src, const char* dst, uint8_t next, const Bytes& payload) {
  return ipv6(ip(src), ip(dst), next, payload);
}

Bytes ports(unsigned src, unsigned dst) { return be16(src) + be16(dst) + Bytes(16, 0); }
Bytes icmp(unsigned type, const Bytes& quoted = {}) { return Bytes(1, static_cast<char>(type)) + Bytes(7, 0) + quoted; }

Bytes frame4(const char* src, const char* dst, uint8_t proto, const Bytes& payload, const Ip4& how = {}) {
  return eth(ETH_P_IP, ipv4(src, dst, proto, payload, how));
}
Bytes frame6(const char* src, const char* dst, uint8_t next, const Bytes& payload) {
  return eth(ETH_P_IPV6, ipv6(src, dst, next, payload));
}
Bytes arp(unsigned operation, const char* target) {
  return eth(ETH_P_ARP, be16(1) + be16(ETH_P_IP) + Bytes{6, 4} + be16(operation) + Bytes(6, 2) +
                            addr_bytes(ip("10.0.0.99")) + Bytes(6, 0) + addr_bytes(ip(target)));
}
Bytes solicitation(const char* dst, const char* target) {
  return frame6("fe80::99", dst, kIcmp6, icmp(135, addr_bytes(ip(target))));
}

// The world of these tests: 203.0.113.1 and 2001:db8::1 are wholly ours; 10.0.0.1 and fd00::1 are the kernel's, with a
// TCP service on port 80, a UDP service on 53 and the SNAT ports 20000-20999 and 40000; 10.0.0.5 and fd00::5, TCP 8080,
// are backends of a `nat` service; 10.0.0.1, 192.168.0.1, fd00::1 are addresses of this host.
class SteerProgram : public testing::Test {
 protected:
  explicit SteerProgram(const steer_vlans& vlans = {})
      : object_(bpf_object__open_file(steer_object_path().c_str(), nullptr), bpf_object__close) {
    bpf_map* constants = bpf_object__find_map_by_name(object_.get(), ".rodata");
    if (!object_ || bpf_map__set_initial_value(constants, &vlans, sizeof vlans) != 0 ||
        bpf_object__load(object_.get()) != 0)
      throw std::runtime_error("cannot load the program; run as root");
    program_ = bpf_program__fd(bpf_object__find_program_by_name(object_.get(), STEER_PROGRAM));
    for (const char* addr : {"203.0.113.1", "2001:db8::1"})
      put(STEER_ADDRESSES_MAP, key(addr), steer_address{1, 0, {}});
    for (const char* addr : {"10.0.0.1", "fd00::1"}) {
      put(STEER_ADDRESSES_MAP, key(addr), steer_address{0, 2, {{20000, 20999}, {40000, 40000}}});
      put(STEER_SERVICES_MAP, endpoint(addr, kTcp, 80), uint32_t{1});
      put(STEER_SERVICES_MAP, endpoint(addr, kUdp, 53), uint32_t{1});
      put(STEER_HOST_MAP, key(addr), uint32_t{1});
    }
    put(STEER_HOST_MAP, key("192.168.0.1"), uint32_t{1});
    for (const char* addr : {"10.0.0.5", "fd00::5"}) put(STEER_BACKENDS_MAP, endpoint(addr, kTcp, 8080), uint32_t{1});
  }

  static steer_address_key key(const char* addr) {
    steer_address_key key{};
    std::memcpy(key.addr, ip(addr).bytes.data(), sizeof key.addr);
    return key;
  }
  static steer_endpoint endpoint(const char* addr, uint8_t proto, uint16_t port) {
    steer_endpoint endpoint{};
    std::memcpy(endpoint.addr, ip(addr).bytes.data(), sizeof endpoint.addr);
    endpoint.port_be = Be16::from_host(port).raw;
    endpoint.proto = proto;
    return endpoint;
  }
  void put(const char* map, const auto& map_key, const auto& value) {
    ASSERT_EQ(bpf_map_update_elem(bpf_object__find_map_fd_by_name(object_.get(), map), &map_key, &value, BPF_ANY), 0);
  }

  unsigned verdict(const Bytes& frame) const {
    // The kernel wants at least an Ethernet header for a test run.
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<uint32_t>(frame.size());
    EXPECT_EQ(bpf_prog_test_run_opts(program_, &options), 0);
    return options.retval;
  }
  bool is_ours(const Bytes& frame) const { return verdict(frame) == XDP_DROP; }
  bool is_kernels(const Bytes& frame) const { return verdict(frame) == XDP_PASS; }

 private:
  std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object_;
  int program_ = -1;
};

Bytes tagged(const Bytes& frame, unsigned control, unsigned type = ETH_P_8021Q) {
  return frame.substr(0, 12) + be16(type) + be16(control) + frame.substr(12);
}

// Ports in VLAN 100 and 4094, and none without a tag.
class SteerVlans : public SteerProgram {
 protected:
  static constexpr steer_vlans of_ports() {
    steer_vlans vlans{};
    vlans.ids[100 / 64] |= uint64_t{1} << 100 % 64;
    vlans.ids[4094 / 64] |= uint64_t{1} << 4094 % 64;
    vlans.untagged_passes = 1;
    return vlans;
  }
  SteerVlans() : SteerProgram(of_ports()) {}
};

// Everything that is ours without a tag.
std::vector<Bytes> our_frames() {
  return {frame4("10.9.9.9", "203.0.113.1", kTcp, ports(1000, 80)),
          frame6("fd00::9", "2001:db8::1", kUdp, ports(1000, 53)),
          frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 80)),
          frame6("fd00::9", "fd00::1", kTcp, ports(1000, 20000)),
          frame6("fd00::9", "fd00::1", 60, Bytes{static_cast<char>(kTcp), 0} + Bytes(6, 0) + ports(1000, 80)),
          frame4("10.9.9.9", "10.0.0.1", kIcmp, icmp(3, ipv4("10.0.0.1", "10.0.0.5", kTcp, ports(20000, 8080)))),
          arp(1, "203.0.113.1"),
          solicitation("ff02::1:ff00:1", "2001:db8::1")};
}

TEST_F(SteerVlans, FramesOfOurVlans_AreLookedAtBehindTheTag) {
  for (const Bytes& frame : our_frames())
    for (const unsigned control : {100u, 0xf000u | 100u, 4094u})
      EXPECT_TRUE(is_ours(tagged(frame, control))) << control;
  EXPECT_TRUE(is_kernels(tagged(frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 22)), 100)));
  EXPECT_TRUE(is_kernels(tagged(arp(1, "10.0.0.1"), 100)));
}

TEST_F(SteerVlans, OtherVlansAndFramesWithoutATag_AreTheKernels) {
  for (const Bytes& frame : our_frames()) {
    for (const unsigned control : {0u, 0xe000u, 36u, 101u, 4095u}) EXPECT_TRUE(is_kernels(tagged(frame, control)));
    EXPECT_TRUE(is_kernels(frame));
    EXPECT_TRUE(is_kernels(tagged(frame, 100, ETH_P_8021AD)));
    EXPECT_TRUE(is_kernels(tagged(tagged(frame, 100), 100)));
    EXPECT_TRUE(is_kernels(tagged(frame, 100).substr(0, 17)));
  }
}

TEST_F(SteerProgram, WithoutVlans_APriorityTagAloneCountsAsNone) {
  for (const Bytes& frame : our_frames()) {
    EXPECT_TRUE(is_ours(tagged(frame, 0xe000)));
    EXPECT_TRUE(is_kernels(tagged(frame, 1)));
  }
}

TEST_F(SteerProgram, WhollyOurs_TakesEverything) {
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kTcp, ports(1000, 80))));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kUdp, ports(1000, 9))));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kIcmp, icmp(8))));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kGre, {})));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kTcp, ports(1, 2), {.fragment = 0x2000})));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kTcp, ports(1, 2), {.fragment = 100})));
  EXPECT_TRUE(is_ours(frame6("2001:db8::9", "2001:db8::1", kTcp, ports(1000, 80))));
  EXPECT_TRUE(is_ours(frame6("2001:db8::9", "2001:db8::1", kIcmp6, icmp(128))));
  EXPECT_TRUE(is_ours(frame6("2001:db8::9", "2001:db8::1", 44, Bytes(8, 0)))) << "fragment header";
  EXPECT_TRUE(is_ours(frame6("2001:db8::9", "2001:db8::1", 0, Bytes(8, 0)))) << "hop-by-hop options";
}

TEST_F(SteerProgram, WhollyOurs_MalformedIsForTheDataplaneToCount) {
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kTcp, ports(1, 2), {.words = 2})));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kTcp, {}, {.words = 15})));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kTcp, {}, {.version = 9})));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "203.0.113.1", kTcp, "x")));
  EXPECT_TRUE(is_ours(frame6("2001:db8::9", "2001:db8::1", kTcp, "x")));
}

TEST_F(SteerProgram, KernelsAddress_GivesOnlyTheService) {
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 80))));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "10.0.0.1", kUdp, ports(1000, 53))));
  EXPECT_TRUE(is_ours(frame6("fd00::9", "fd00::1", kTcp, ports(1000, 80))));
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 22))));
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kUdp, ports(1000, 80)))) << "the service is TCP";
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kTcp, ports(80, 1000)))) << "source port";
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kIcmp, icmp(8))));
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kGre, ports(1000, 80))));
  EXPECT_TRUE(is_kernels(frame6("fd00::9", "fd00::1", kTcp, ports(1000, 22))));
  EXPECT_TRUE(is_kernels(frame6("fd00::9", "fd00::1", 44, ports(1000, 80)))) << "a fragment shows no port";
}

TEST_F(SteerProgram, KernelsAddress_GivesTheSnatPorts) {
  for (const unsigned port : {20000u, 20500u, 20999u, 40000u}) {
    EXPECT_TRUE(is_ours(frame4("10.0.0.5", "10.0.0.1", kTcp, ports(80, port)))) << port;
    EXPECT_TRUE(is_ours(frame6("fd00::5", "fd00::1", kUdp, ports(80, port)))) << port;
  }
  for (const unsigned port : {19999u, 21000u, 39999u, 40001u, 0u, 65535u})
    EXPECT_TRUE(is_kernels(frame4("10.0.0.5", "10.0.0.1", kTcp, ports(80, port)))) << port;
}

TEST_F(SteerProgram, Ipv4Options_AreSteppedOver) {
  const Ip4 options{.words = 7, .options = Bytes(8, 1)};
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 80), options)));
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 22), options)));
}

TEST_F(SteerProgram, Fragments_OnlyTheFirstShowsPorts) {
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 80), {.fragment = 0x2001})));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 80), {.fragment = 0x2000})));
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kIcmp, icmp(3), {.fragment = 5})));
}

TEST_F(SteerProgram, Fragments_LaterOnesFollowTheFirst) {
  const Bytes data(16, 0);
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "10.0.0.1", kUdp, ports(1000, 53), {.fragment = 0x2000})));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "10.0.0.1", kUdp, data, {.fragment = 0x2003})));
  EXPECT_TRUE(is_ours(frame4("10.9.9.9", "10.0.0.1", kUdp, data, {.fragment = 0x0006})));
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kTcp, data, {.fragment = 0x0006}))) << "another protocol's";
  EXPECT_TRUE(is_kernels(frame4("10.9.9.8", "10.0.0.1", kUdp, data, {.fragment = 0x0006}))) << "another sender's";
  // The identification comes again, with a packet for the kernel.
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kUdp, ports(1000, 22), {.fragment = 0x2000})));
  EXPECT_TRUE(is_kernels(frame4("10.9.9.9", "10.0.0.1", kUdp, data, {.fragment = 0x0006})));
}

TEST_F(SteerProgram, Fragments_OfNatRepliesToo) {
  EXPECT_TRUE(is_ours(frame4("10.0.0.5", "198.51.100.7", kTcp, ports(8080, 1000), {.fragment = 0x2000})));
  EXPECT_TRUE(is_ours(frame4("10.0.0.5", "198.51.100.7", kTcp, Bytes(8, 0), {.fragment = 0x0003})));
  EXPECT_TRUE(is_kernels(frame4("10.0.0.5", "198.51.100.8", kTcp, Bytes(8, 0), {.fragment = 0x0003})));
}

// `place` as it stands in the header, see RFC 8200 section 4.5.
Bytes fragment_header(uint8_t next, unsigned place, unsigned id) {
  return Bytes{static_cast<char>(next), 0} + be16(place) + be16(0) + be16(id);
}

TEST_F(SteerProgram, Fragments_OfIpv6) {
  const auto fragment = [](uint8_t next, unsigned place, unsigned id, const Bytes& data) {
    return frame6("fd00::9", "fd00::1", 44, fragment_header(next, place, id) + data);
  };
  EXPECT_TRUE(is_kernels(fragment(kUdp, 0x0010, 7, ports(1000, 53)))) << "before the first one";
  EXPECT_TRUE(is_ours(fragment(kUdp, 0x0001, 7, ports(1000, 53))));
  EXPECT_TRUE(is_ours(fragment(kUdp, 0x0010, 7, ports(1000, 22)))) << "which are no ports";
  EXPECT_TRUE(is_ours(fragment(60, 0x0010, 7, ports(1000, 22)))) << "of the same packet, whatever it says";
  EXPECT_TRUE(is_kernels(fragment(kUdp, 0x0010, 8, ports(1000, 53))));
  EXPECT_TRUE(is_kernels(fragment(kIcmp6, 0x0010, 8, icmp(1)))) << "no error, only data";
  EXPECT_TRUE(is_ours(fragment(kUdp, 0, 9, ports(1000, 53)))) << "RFC 6946: atomic";
}

TEST_F(SteerProgram, Ipv6ExtensionHeaders_AreSteppedOver) {
  const auto options = [](uint8_t next, unsigned bytes) {
    return Bytes{static_cast<char>(next), static_cast<char>(bytes / 8 - 1)} + Bytes(bytes - 2, 0);
  };
  EXPECT_TRUE(is_ours(frame6("fd00::9", "fd00::1", 60, options(kTcp, 8) + ports(1000, 80))));
  EXPECT_TRUE(is_ours(frame6("fd00::9", "fd00::1", 0, options(60, 16) + options(kTcp, 64) + ports(1000, 80))));
  EXPECT_TRUE(is_kernels(frame6("fd00::9", "fd00::1", 60, options(kTcp, 8) + ports(1000, 22))));
  EXPECT_TRUE(is_kernels(frame6("fd00::9", "fd00::1", 60, options(kTcp, 32).substr(0, 24)))) << "cut off";
  EXPECT_TRUE(is_kernels(frame6("fd00::9", "fd00::1", 51, options(kTcp, 8) + ports(1000, 80)))) << "not ours to skip";
  Bytes many;
  for (unsigned i = 0; i < steer_extension_max; ++i) many += options(60, 8);
  EXPECT_TRUE(is_kernels(frame6("fd00::9", "fd00::1", 60, many + options(kTcp, 8) + ports(1000, 80))));
  const Bytes quoted = ipv6("fd00::1", "fd00::5", 60, options(kTcp, 8) + ports(20001, 80));
  EXPECT_TRUE(is_ours(frame6("fd00::9", "fd00::1", kIcmp6, icmp(1, quoted)))) << "also in what an error quotes";
}

TEST_F(SteerProgram, NatReply_UnlessItIsForThisHost) {
  EXPECT_TRUE(is_ours(frame4("10.0.0.5", "198.51.100.7", kTcp, ports(8080, 1000))));
  EXPECT_TRUE(is_ours(frame6("fd00::5", "2001:db8:9::7", kTcp, ports(8080, 1000))));
  EXPECT_TRUE(is_kernels(frame4("10.0.0.5", "10.0.0.1", kTcp, ports(8080, 1000)))) << "a health check's answer";
  EXPECT_TRUE(is_kernels(frame4("10.0.0.5", "192.168.0.1", kTcp, ports(8080, 1000))));
  EXPECT_TRUE(is_kernels(frame6("fd00::5", "fd00::1", kTcp, ports(8080, 1000))));
  EXPECT_TRUE(is_kernels(frame4("10.0.0.5", "198.51.100.7", kTcp, ports(22, 1000)))) << "another port of it";
  EXPECT_TRUE(is_kernels(frame4("10.0.0.5", "198.51.100.7", kUdp, ports(8080, 1000))));
  EXPECT_TRUE(is_kernels(frame4("10.0.0.6", "198.51.100.7", kTcp, ports(8080, 1000))));
}

TEST_F(SteerProgram, Arp_RequestsForWhatIsWhollyOurs) {
  EXPECT_TRUE(is_ours(arp(1, "203.0.113.1")));
  EXPECT_TRUE(is_kernels(arp(2, "203.0.113.1"))) << "a reply";
  EXPECT_TRUE(is_kernels(arp(1, "10.0.0.1"))) << "the kernel answers for its own";
  EXPECT_TRUE(is_kernels(arp(1, "203.0.113.2")));
  EXPECT_TRUE(is_kernels(arp(1, "203.0.113.1").substr(0, 40))) << "cut off";
}

TEST_F(SteerProgram, Solicitation_ForWhatIsWhollyOurs) {
  EXPECT_TRUE(is_ours(solicitation("ff02::1:ff00:1", "2001:db8::1")));
  EXPECT_TRUE(is_kernels(solicitation("ff02::1:ff00:1", "fd00::1")));
  EXPECT_TRUE(is_kernels(solicitation("ff02::1:ff00:1", "2001:db8::2")));
  EXPECT_TRUE(is_kernels(solicitation("ff02::1:ff00:1", "2001:db8::1").substr(0, 14 + 40 + 8 + 15))) << "cut off";
  EXPECT_TRUE(is_kernels(frame6("fe80::99", "ff02::1", kIcmp6, icmp(136, addr_bytes(ip("2001:db8::1"))))))
      << "an advertisement";
  EXPECT_TRUE(is_kernels(frame6("fe80::99", "ff02::1", kIcmp6, icmp(134, Bytes(16, 0))))) << "a router's";
}

TEST_F(SteerProgram, IcmpError_AboutAServiceOrSnatPort) {
  for (const unsigned type : {3u, 11u, 12u}) {
    EXPECT_TRUE(is_ours(
        frame4("10.0.0.9", "10.0.0.1", kIcmp, icmp(type, ipv4("10.0.0.1", "10.0.0.5", kTcp, ports(20001, 8080))))))
        << type;
    EXPECT_TRUE(is_ours(
        frame4("10.0.0.9", "10.0.0.1", kIcmp, icmp(type, ipv4("10.0.0.1", "10.9.9.9", kTcp, ports(80, 1000))))));
  }
  for (const unsigned type : {1u, 2u, 3u, 4u})
    EXPECT_TRUE(
        is_ours(frame6("fd00::9", "fd00::1", kIcmp6, icmp(type, ipv6("fd00::1", "fd00::5", kTcp, ports(20001, 80))))));
  const Bytes quoted = ipv4("10.0.0.1", "10.0.0.5", kTcp, ports(20001, 8080));
  EXPECT_TRUE(is_ours(frame4("10.0.0.9", "10.0.0.1", kIcmp, icmp(3, quoted.substr(0, 28))))) << "8 bytes suffice";
  EXPECT_TRUE(is_kernels(frame4("10.0.0.9", "10.0.0.1", kIcmp, icmp(3, quoted.substr(0, 23))))) << "no port in it";
  EXPECT_TRUE(is_kernels(frame4("10.0.0.9", "10.0.0.1", kIcmp, icmp(0, quoted)))) << "no error";
  EXPECT_TRUE(is_kernels(
      frame4("10.0.0.9", "10.0.0.1", kIcmp, icmp(3, ipv4("10.0.0.1", "10.0.0.5", kTcp, ports(19999, 8080))))));
  EXPECT_TRUE(is_kernels(frame4("10.0.0.9", "10.0.0.1", kIcmp,
                                icmp(3, ipv4("10.0.0.1", "10.0.0.5", kTcp, ports(20001, 80), {.fragment = 9})))));
}

TEST_F(SteerProgram, IcmpError_AboutATunnel) {
  constexpr unsigned kIpInIp = 4, kIpv6InIp = 41;
  for (const unsigned proto : {kIpInIp, kIpv6InIp}) {
    const Bytes inside(28, 1);
    EXPECT_TRUE(is_ours(frame4("10.0.0.9", "10.0.0.1", kIcmp, icmp(3, ipv4("10.0.0.1", "10.0.0.5", proto, inside)))));
    EXPECT_TRUE(is_ours(frame6("fd00::9", "fd00::1", kIcmp6, icmp(2, ipv6("fd00::1", "fd00::5", proto, inside)))));
    EXPECT_TRUE(is_kernels(frame4("10.0.0.9", "10.0.0.8", kIcmp, icmp(3, ipv4("10.0.0.8", "10.0.0.5", proto, inside)))))
        << "not from a SNAT address";
  }
}

TEST_F(SteerProgram, IcmpError_AboutAPacketToANatBackend) {
  const Bytes quoted4 = ipv4("198.51.100.7", "10.0.0.5", kTcp, ports(1000, 8080));
  const Bytes quoted6 = ipv6("2001:db8:9::7", "fd00::5", kTcp, ports(1000, 8080));
  EXPECT_TRUE(is_ours(frame4("10.0.0.5", "198.51.100.7", kIcmp, icmp(3, quoted4))));
  EXPECT_TRUE(is_ours(frame6("fd00::5", "2001:db8:9::7", kIcmp6, icmp(2, quoted6))));
  EXPECT_TRUE(
      is_kernels(frame4("10.0.0.5", "10.0.0.1", kIcmp, icmp(3, ipv4("10.0.0.1", "10.0.0.5", kTcp, ports(1000, 8080))))))
      << "a health check's";
}

TEST_F(SteerProgram, EverythingElse_IsTheKernels) {
  EXPECT_TRUE(is_kernels(frame4("10.0.0.9", "10.0.0.7", kTcp, ports(1000, 80))));
  EXPECT_TRUE(is_kernels(frame4("10.0.0.9", "224.0.0.5", 89, Bytes(20, 0))));
  EXPECT_TRUE(is_kernels(frame6("fe80::9", "ff02::5", 89, Bytes(20, 0))));
  EXPECT_TRUE(is_kernels(eth(0x8100, Bytes(60, 0)))) << "VLAN";
  EXPECT_TRUE(is_kernels(eth(0x88cc, Bytes(60, 0)))) << "LLDP";
}

TEST_F(SteerProgram, MappedIpv6_IsNoIpv4OfOurs) {
  EXPECT_TRUE(is_kernels(eth(ETH_P_IPV6, ipv6(ip("fd00::9"), ip("203.0.113.1"), kTcp, ports(1000, 80)))));
  EXPECT_TRUE(is_kernels(eth(ETH_P_IPV6, ipv6(ip("10.0.0.5"), ip("fd00::9"), kTcp, ports(8080, 80)))));
}

// Cut at every length: the verifier proved that nothing is read beyond; what is cut must not be taken for a service's.
TEST_F(SteerProgram, CutFrames_AreTheKernelsUntilThePortsShow) {
  const Bytes tcp4 = frame4("10.9.9.9", "10.0.0.1", kTcp, ports(1000, 80));
  for (size_t bytes = 14; bytes < tcp4.size(); ++bytes)
    EXPECT_EQ(is_ours(tcp4.substr(0, bytes)), bytes >= 14 + 20 + 4) << bytes;
  const Bytes tcp6 = frame6("fd00::9", "fd00::1", kTcp, ports(1000, 80));
  for (size_t bytes = 14; bytes < tcp6.size(); ++bytes)
    EXPECT_EQ(is_ours(tcp6.substr(0, bytes)), bytes >= 14 + 40 + 4) << bytes;
}

}  // namespace
}  // namespace millrace
