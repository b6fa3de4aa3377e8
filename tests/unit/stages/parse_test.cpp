// parse_test.cpp: malformed packets by class, to a VIP beside a live connection, and to somebody else.
#include <gtest/gtest.h>

#include <functional>

#include "dataplane/stages/stages.h"
#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

const wire::Flow kFlow4 = flow("192.0.2.10", 40'001, "203.0.113.10", 80);
const wire::Flow kFlow6 = flow("2001:db8:1::10", 40'001, "2001:db8:2::10", 80);

constexpr size_t kIp = 14;
constexpr size_t kL4 = 34;  // of IPv4 without options
constexpr size_t kL6 = 54;  // of IPv6

// After a change to the IPv4 header, its checksum made right again.
Bytes with_ip_checksum(Bytes frame, size_t header_bytes = 20) {
  wire::set16(frame, kIp + 10, 0);
  const Bytes header(frame.begin() + kIp, frame.begin() + static_cast<long>(kIp + header_bytes));
  wire::set16(frame, kIp + 10, wire::checksum(header));
  return frame;
}
Bytes changed(Bytes frame, const std::function<void(Bytes&)>& change) {
  change(frame);
  return frame;
}
Bytes syn4(const std::function<void(Bytes&)>& change = [](Bytes&) {}) {
  return changed(from_client(tcp_packet(kFlow4, kSyn)), change);
}
Bytes syn6(const std::function<void(Bytes&)>& change = [](Bytes&) {}) {
  return changed(from_client(tcp_packet(kFlow6, kSyn)), change);
}
Bytes udp4(const std::function<void(Bytes&)>& change = [](Bytes&) {}) {
  return changed(from_client(udp_packet(kFlow4)), change);
}
Bytes ip4(uint8_t proto, const Bytes& payload, const wire::IpSettings& settings = {}) {
  return from_client(wire::ip(kFlow4.src, kFlow4.dst, proto, payload, settings));
}
Bytes ip6(uint8_t proto, const Bytes& payload) { return from_client(wire::ip(kFlow6.src, kFlow6.dst, proto, payload)); }
Bytes from_source(const char* src, const char* dst) {
  return from_client(tcp_packet(flow(src, 40'001, dst, 80), kSyn));
}

struct Malformed {
  const char* name;
  Bytes frame;
  DropReason reason;
};

std::vector<Malformed> malformed() {
  using enum DropReason;
  return {
      {"one byte", {0}, short_l2},
      {"13 bytes", wire::first(syn4(), 13), short_l2},
      {"ends behind Ethernet, IPv4", wire::first(syn4(), 14), short_l3},
      {"ends in the IPv4 header", wire::first(syn4(), 33), short_l3},
      {"ends in the IPv6 header", wire::first(syn6(), 53), short_l3},
      {"IPv6 under the IPv4 EtherType", syn4([](Bytes& f) { f[kIp] = 0x65; }), bad_ip_version},
      {"IPv4 under the IPv6 EtherType", syn6([](Bytes& f) { f[kIp] = 0x40; }), bad_ip_version},
      {"IHL 4", with_ip_checksum(syn4([](Bytes& f) { f[kIp] = 0x44; }), 16), bad_ihl},
      {"IHL past the frame", syn4([](Bytes& f) { f[kIp] = 0x4f; }), bad_ihl},
      {"total length below the header", with_ip_checksum(syn4([](Bytes& f) { wire::set16(f, kIp + 2, 19); })),
       bad_ip_length},
      {"total length past the frame", with_ip_checksum(syn4([](Bytes& f) { wire::set16(f, kIp + 2, 41); })),
       bad_ip_length},
      {"payload length past the frame", syn6([](Bytes& f) { wire::set16(f, kIp + 4, 21); }), bad_ip_length},
      {"IPv4 header checksum", syn4([](Bytes& f) { f[kIp + 10] ^= 1; }), bad_ip_checksum},
      {"TCP header cut", ip4(6, wire::first(wire::tcp(kFlow4, kSyn, {}), 19)), short_l4},
      {"TCP header cut, IPv6", ip6(6, wire::first(wire::tcp(kFlow6, kSyn, {}), 19)), short_l4},
      {"UDP header cut", ip4(17, {0, 1, 0, 80, 0, 8, 0}), short_l4},
      {"ICMP header cut", ip4(1, {8, 0, 0, 0, 0, 0, 0}), short_l4},
      {"nothing behind IPv4", ip4(6, {}), short_l4},
      {"TCP data offset 4", syn4([](Bytes& f) { f[kL4 + 12] = 0x40; }), bad_data_offset},
      {"TCP data offset past the packet", syn4([](Bytes& f) { f[kL4 + 12] = 0x60; }), bad_data_offset},
      {"TCP data offset past the packet, IPv6", syn6([](Bytes& f) { f[kL6 + 12] = 0xf0; }), bad_data_offset},
      {"SYN+FIN", syn4([](Bytes& f) { f[kL4 + 13] = 0x03; }), bad_tcp_flags},
      {"SYN+RST", syn4([](Bytes& f) { f[kL4 + 13] = 0x06; }), bad_tcp_flags},
      {"no flags", syn4([](Bytes& f) { f[kL4 + 13] = 0; }), bad_tcp_flags},
      {"FIN alone", syn6([](Bytes& f) { f[kL6 + 13] = 1; }), bad_tcp_flags},
      {"UDP length 7", udp4([](Bytes& f) { wire::set16(f, kL4 + 4, 7); }), bad_udp_length},
      {"UDP length past the packet", udp4([](Bytes& f) { wire::set16(f, kL4 + 4, 12); }), bad_udp_length},
      {"source port 0", from_client(tcp_packet(flow("192.0.2.10", 0, "203.0.113.10", 80), kSyn)), zero_port},
      {"destination port 0", from_client(udp_packet(flow("192.0.2.10", 9, "203.0.113.10", 0))), zero_port},
      {"LAND", from_client(tcp_packet(flow("203.0.113.10", 80, "203.0.113.10", 80), kSyn)), land},
      {"LAND, IPv6", from_client(tcp_packet(flow("2001:db8:2::10", 80, "2001:db8:2::10", 80), kSyn)), land},
      {"from multicast", from_source("224.0.0.1", "203.0.113.10"), bad_source},
      {"from broadcast", from_source("255.255.255.255", "203.0.113.10"), bad_source},
      {"from loopback", from_source("127.0.0.1", "203.0.113.10"), bad_source},
      {"from nowhere", from_source("0.0.0.0", "203.0.113.10"), bad_source},
      {"from multicast, IPv6", from_source("ff02::1", "2001:db8:2::10"), bad_source},
      {"from loopback, IPv6", from_source("::1", "2001:db8:2::10"), bad_source},
      {"from nowhere, IPv6", from_source("::", "2001:db8:2::10"), bad_source},
      {"SYN in fragments", ip4(6, wire::joined(wire::tcp(kFlow4, kSyn, {}), Bytes(4)), {.fragment = 0x2000}), fragment},
      {"fragment past 64 KiB", ip4(17, Bytes(64, 1), {.fragment = 0x1fff}), fragment},
      {"empty fragment", ip4(17, {}, {.fragment = 0x0010}), fragment},
      {"fragment of half a unit, IPv6", ip6(44, {17, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}), fragment},
      {"TCP header in two fragments", ip4(6, Bytes(16, 1), {.fragment = 0x2000}), fragment_tiny},
      {"source route", ip4(6, wire::tcp(kFlow4, kSyn, {}), {.options = {131, 4, 4, 0}}), ip_options},
      {"hop-by-hop options behind another", ip6(60, Bytes(64, 0)), ip_extension},
      {"routing header with a way to go", ip6(43, Bytes{6, 0, 0, 1, 0, 0, 0, 0}), ip_extension},
      {"authentication header", ip6(51, Bytes(64, 0)), ip_extension},
      {"destination options past the packet", ip6(60, Bytes(16, 6)), ip_extension},
      {"GRE", ip4(47, Bytes(64, 0)), unknown_proto},
      {"SCTP, IPv6", ip6(132, Bytes(64, 0)), unknown_proto},
      {"ICMPv6 over IPv4", ip4(58, Bytes(64, 0)), unknown_proto},
      {"SYN with a wrong checksum", syn4([](Bytes& f) { f[kL4 + 16] ^= 1; }), bad_l4_checksum},
      {"SYN with a wrong checksum, IPv6", syn6([](Bytes& f) { f[kL6 + 16] ^= 1; }), bad_l4_checksum},
  };
}

TEST(Parse, every_class_of_malformed_packet_has_its_reason_and_harms_no_neighbour) {
  Testbed bed;
  const wire::Flow live = flow("192.0.2.10", 40'000, "203.0.113.10", 80);
  const Seen syn = seen(bed.forwarded(kFront, from_client(tcp_packet(live, kSyn)), kBack));
  const wire::Flow answer{syn.dst, syn.src, syn.dst_port, syn.src_port};
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
  bed.forwarded(kFront, from_client(tcp_packet(live, kAck)), kBack);
  for (const Malformed& bad : malformed()) {
    SCOPED_TRACE(bad.name);
    bed.expect_drop(kFront, bad.frame, bad.reason);
    bed.forwarded(kFront, from_client(tcp_packet(live, kAck, {1, 2, 3})), kBack);
    bed.forwarded(kBack, from_backend(tcp_packet(answer, kAck, {4, 5})), kFront);
  }
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), 1u);
}

// What is wrong above IP matters to its receiver alone, and that is not us.
TEST(Parse, unsound_packets_to_others_are_the_kernels) {
  Testbed bed;
  const wire::Flow other = flow("192.0.2.10", 0, "198.51.100.1", 80);
  bed.expect_divert(kFront, from_client(tcp_packet(other, kSyn)));
  bed.expect_divert(kFront, from_client(wire::ip(other.src, other.dst, 6, {1, 2})));
  bed.expect_divert(kFront, from_client(wire::ip(other.src, other.dst, 17, Bytes(64), {.fragment = 0x2000})));
  bed.expect_divert(kFront, from_client(wire::ip(other.src, other.dst, 47, Bytes(64))));
  bed.expect_divert(kFront, from_client(wire::ip(addr("0.0.0.0"), addr("255.255.255.255"), 17,
                                                 wire::udp(flow("0.0.0.0", 68, "255.255.255.255", 67), Bytes(240)))));
  bed.expect_divert(kFront, from_client(wire::ip(addr("2001:db8:1::10"), addr("ff02::16"), 0, Bytes(32))));
  // IPv4-mapped on the wire is nobody's, and must not be taken for the VIP it looks like.
  Bytes mapped = from_client(tcp_packet(kFlow6, kSyn));
  const IpAddr vip = addr("203.0.113.10");
  std::copy(vip.bytes.begin(), vip.bytes.end(), mapped.begin() + 38);
  bed.expect_divert(kFront, mapped);
}

TEST(Parse, what_is_not_ip_is_the_kernels) {
  Testbed bed;
  bed.expect_divert(kFront, wire::ether(kFrontMac, kClientMac, 0x88cc, Bytes(50)));  // LLDP
  bed.expect_divert(kFront, wire::ether(kFrontMac, kClientMac, 0x8100, Bytes(50)));  // VLAN
  bed.expect_divert(kFront, wire::ether(kFrontMac, kClientMac, 0x0026, Bytes(50)));  // 802.3
}

// The NIC's word counts where it is given.
TEST(Parse, a_checksum_that_the_nic_found_wrong) {
  wire::Frame frame(from_client(tcp_packet(kFlow4, kAck)));
  frame.mbuf().ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
  PacketInfo info;
  FlowKey4 key4;
  FlowKey6 key6;
  parse_frame(frame.mbuf(), info, key4, key6);
  EXPECT_EQ(info.kind, PacketKind::suspect);
  EXPECT_EQ(info.reason, DropReason::bad_l4_checksum);
  frame.mbuf().ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  parse_frame(frame.mbuf(), info = {}, key4, key6);
  EXPECT_EQ(info.kind, PacketKind::flow);
}

TEST(Parse, fills_key_and_offsets) {
  PacketInfo info;
  FlowKey4 key4;
  FlowKey6 key6;
  wire::Frame v4(from_client(tcp_packet(kFlow4, kSynAck, {1, 2}, {.options = {1, 1, 1, 0}})));
  parse_frame(v4.mbuf(), info, key4, key6);
  EXPECT_EQ(info.kind, PacketKind::flow);
  EXPECT_EQ(info.l4_offset, 38);
  EXPECT_EQ(info.ip_bytes, 46);
  EXPECT_EQ(info.tcp_flags, kSynAck);
  EXPECT_EQ(key4, (FlowKey4{kFlow4.src.ipv4(), kFlow4.dst.ipv4(), Be16::from_host(40'001), Be16::from_host(80), 6}));
  wire::Frame v6(from_client(udp_packet(kFlow6)));
  parse_frame(v6.mbuf(), info = {}, key4, key6);
  EXPECT_EQ(info.kind, PacketKind::flow);
  EXPECT_EQ(info.family, Family::ipv6);
  EXPECT_EQ(info.l4_offset, 54);
  EXPECT_EQ(key6, (FlowKey6{kFlow6.src.bytes, kFlow6.dst.bytes, Be16::from_host(40'001), Be16::from_host(80), 17}));
}

// Every frame cut at every length, in memory of exactly that size: AddressSanitizer watches the end.
TEST(Parse, reads_nothing_past_the_frame) {
  std::vector<Bytes> frames;
  for (const Malformed& bad : malformed()) frames.push_back(bad.frame);
  frames.push_back(syn4());
  frames.push_back(syn6());
  frames.push_back(udp4());
  for (const Bytes& whole : frames) {
    for (size_t bytes = 0; bytes <= whole.size(); ++bytes) {
      wire::Frame frame(wire::first(whole, bytes));
      PacketInfo info;
      FlowKey4 key4;
      FlowKey6 key6;
      parse_frame(frame.mbuf(), info, key4, key6);
      const bool trusted = info.kind == PacketKind::flow || info.kind == PacketKind::icmp;
      EXPECT_TRUE(!trusted || 14u + info.ip_bytes <= bytes);
    }
  }
}

// On a port shared with the kernel, frames to other MACs and frames that the kernel itself sent turn up too.
TEST(Parse, frames_for_other_hosts_and_from_our_own_kernel_are_left_alone) {
  Testbed bed;
  for (PortFacts& port : bed.worker().port_facts) port.shares_wire = true;
  const Bytes packet = tcp_packet(kFlow4, kSyn);
  bed.expect_divert(kFront, wire::ether(kBackMac, kClientMac, packet));
  bed.expect_divert(kFront, wire::ether(kClientMac, kFrontMac, packet));
  bed.forwarded(kFront, wire::ether(kFrontMac, kClientMac, packet), kBack);
}

TEST(Parse, a_packet_in_several_buffers_is_joined) {
  Testbed bed;
  const Bytes frame = from_client(tcp_packet(kFlow4, kSyn, Bytes(300, 3)));
  // Split inside the IP header.
  std::vector<rte_mbuf*> parts;
  for (const auto& [from, to] : {std::pair<size_t, size_t>{0, 20}, {20, frame.size()}}) {
    parts.push_back(rte_pktmbuf_alloc(bed.state().mbuf_pool));
    std::copy(frame.begin() + static_cast<long>(from), frame.begin() + static_cast<long>(to),
              rte_pktmbuf_append(parts.back(), static_cast<uint16_t>(to - from)));
  }
  ASSERT_EQ(rte_pktmbuf_chain(parts[0], parts[1]), 0);
  bed.send(kFront, parts[0]);
  bed.run();
  const std::vector<Bytes> out = bed.received(kBack);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].size(), frame.size());
  EXPECT_EQ(wire::wrong_checksum(out[0]), "");
}

}  // namespace
}  // namespace millrace
