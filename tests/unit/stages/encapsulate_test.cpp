#include "dataplane/stages/encapsulate.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/tunnel_wire.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

// Not inlined: the compiler would see an overflow in std::vector::insert that is not there.
[[gnu::noinline]] Bytes as_received(const Bytes& packet) { return from_client(packet); }

class Encapsulate : public testing::TestWithParam<TunnelCase> {
 protected:
  static Bytes inner(size_t payload_bytes = 100, uint8_t tos = 0xb9) {
    const bool ipv4 = GetParam().inner == Family::ipv4;
    const FamilyCase& ends = ipv4 ? kIpv4Case : kIpv6Case;
    return tcp_packet(flow(ends.client, 40'000, ends.vip, 80), kAck, Bytes(payload_bytes, 0x5a), {.tos = tos});
  }
  static OuterEnds outer_ends() {
    const FamilyCase& ends = GetParam().outer == Family::ipv4 ? kIpv4Case : kIpv6Case;
    const bool gue = GetParam().encapsulation == Encapsulation::gue;
    return {addr(ends.snat), addr(ends.backend), uint16_t(gue ? 50'000 : 0), uint16_t(gue ? 6080 : 0)};
  }
  static bool wrap(wire::Frame& frame, const Bytes& packet, uint16_t client_port = 40'000) {
    const OuterEnds ends = outer_ends();
    ConnEntry entry{};
    entry.mode = Mode::tunnel;
    entry.family = GetParam().inner;
    entry.encapsulation = GetParam().encapsulation;
    entry.client_port = Be16::from_host(client_port);
    entry.snat_port = Be16::from_host(ends.src_port);
    entry.gue_port = ends.dst_port;
    if (GetParam().outer == Family::ipv4) {
      entry.snat4 = ends.src.ipv4();
      entry.backend4 = ends.dst.ipv4();
    } else {
      entry.snat6 = ends.src.bytes;
      entry.backend6 = ends.dst.bytes;
    }
    return encapsulate(frame.mbuf(), entry, static_cast<uint16_t>(packet.size()));
  }
};

TEST_P(Encapsulate, wraps_the_packet_and_nothing_behind_it) {
  for (const size_t payload_bytes : {0, 1, 100, 1400}) {
    const Bytes packet = inner(payload_bytes);
    const Bytes received = as_received(packet);
    wire::Frame frame(wire::joined(received, Bytes(5, 0xee)));
    ASSERT_TRUE(wrap(frame, packet));
    EXPECT_EQ(frame.bytes().size(), frame.mbuf().pkt_len);
    EXPECT_EQ(wire::get16(frame.bytes(), 12), GetParam().outer == Family::ipv4 ? 0x0800 : 0x86dd);
    const Unwrapped seen_there = unwrap(GetParam(), frame.bytes());
    // DSCP and ECN (RFC 2983, RFC 6040), TTL, DF with ID 0 (RFC 6864), lengths, checksums.
    EXPECT_EQ(seen_there.outer, tunnelled(GetParam(), outer_ends(), packet, 0xb9));
    EXPECT_EQ(frame.bytes().size(), received.size() + encapsulation_bytes(GetParam().encapsulation, GetParam().outer));
  }
}

class EncapsulateOver6 : public Encapsulate {};

TEST_P(EncapsulateOver6, RFC_6438_gives_each_flow_its_label) {
  std::set<Bytes> labels;
  for (uint16_t port = 1000; port < 1100; ++port) {
    wire::Frame frame(as_received(inner()));
    ASSERT_TRUE(wrap(frame, inner(), port));
    const Bytes bytes = frame.bytes();
    labels.insert({static_cast<uint8_t>(bytes[15] & 0xf), bytes[16], bytes[17]});
  }
  EXPECT_GT(labels.size(), 95u);
}

TEST_P(Encapsulate, without_headroom_leaves_the_frame_alone) {
  const Bytes received = as_received(inner());
  const size_t needed = encapsulation_bytes(GetParam().encapsulation, GetParam().outer);
  wire::Frame frame(received, needed - 1);
  EXPECT_FALSE(wrap(frame, inner()));
  EXPECT_EQ(frame.bytes(), received);
  wire::Frame enough(received, needed);
  EXPECT_TRUE(wrap(enough, inner()));
}

INSTANTIATE_TEST_SUITE_P(tunnels, Encapsulate, testing::ValuesIn(kTunnelCases),
                         [](const auto& one) { return std::string(one.param.name); });

INSTANTIATE_TEST_SUITE_P(tunnels, EncapsulateOver6,
                         testing::Values(kTunnelCases[2], kTunnelCases[3], kTunnelCases[6], kTunnelCases[7]),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace millrace
