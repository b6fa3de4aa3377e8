// punt_test.cpp: of what kind packets for the kernel are, and that a flood of one kind leaves room for the others.
#include "dataplane/stages/punt.h"

#include <gtest/gtest.h>
#include <rte_cycles.h>

#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

constexpr const char* kHost[] = {"192.0.2.1", "2001:db8:1::1"};
constexpr const char* kFar[] = {"192.0.2.10", "2001:db8:1::10"};

Bytes tcp(bool ipv6, uint8_t flags, uint16_t src_port, uint16_t dst_port) {
  return from_client(tcp_packet(flow(kFar[ipv6], src_port, kHost[ipv6], dst_port), flags));
}
Bytes udp(bool ipv6, uint16_t dst_port) {
  return from_client(udp_packet(flow(kFar[ipv6], 5000, kHost[ipv6], dst_port)));
}
Bytes of_proto(bool ipv6, uint8_t proto, const Bytes& payload) {
  return from_client(wire::ip(addr(kFar[ipv6]), addr(kHost[ipv6]), proto, payload));
}
Bytes icmp(bool ipv6, uint8_t type) {
  return of_proto(ipv6, ipv6 ? 58 : 1, wire::icmp(addr(kFar[ipv6]), addr(kHost[ipv6]), type, 0, 0, {1, 2, 3, 4}));
}

TEST(PuntClass, by_what_the_packet_is) {
  for (const bool ipv6 : {false, true}) {
    EXPECT_EQ(punt_class(tcp(ipv6, kSyn, 5000, 22)), PuntClass::opening);
    EXPECT_EQ(punt_class(tcp(ipv6, kAck, 5000, 22)), PuntClass::session);
    EXPECT_EQ(punt_class(tcp(ipv6, kSynAck, 80, 5000)), PuntClass::session) << "the answer to a health check";
    EXPECT_EQ(punt_class(tcp(ipv6, kRst, 80, 5000)), PuntClass::session);
    EXPECT_EQ(punt_class(tcp(ipv6, kAck, 5000, 179)), PuntClass::routing);
    EXPECT_EQ(punt_class(tcp(ipv6, kSynAck, 179, 5000)), PuntClass::routing);
    EXPECT_EQ(punt_class(udp(ipv6, 3784)), PuntClass::routing);
    EXPECT_EQ(punt_class(udp(ipv6, 53)), PuntClass::other);
    EXPECT_EQ(punt_class(of_proto(ipv6, 89, {1, 2, 3, 4})), PuntClass::routing);
    EXPECT_EQ(punt_class(of_proto(ipv6, 112, {1, 2, 3, 4})), PuntClass::routing);
    EXPECT_EQ(punt_class(of_proto(ipv6, 47, {1, 2, 3, 4})), PuntClass::other);
    EXPECT_EQ(punt_class(icmp(ipv6, ipv6 ? 128 : 8)), PuntClass::icmp);
    EXPECT_EQ(punt_class(icmp(ipv6, 1)), PuntClass::icmp);
  }
  for (const uint8_t type : {130, 131, 132, 133, 134, 135, 136, 137, 143})
    EXPECT_EQ(punt_class(icmp(true, type)), PuntClass::link) << unsigned{type};
  EXPECT_EQ(punt_class(icmp(false, 135)), PuntClass::icmp);
  EXPECT_EQ(punt_class(wire::ether(kFrontMac, kClientMac, 0x0806, Bytes(28))), PuntClass::link);
  EXPECT_EQ(punt_class(wire::ether(kFrontMac, kClientMac, 0x88cc, Bytes(28))), PuntClass::link);
  EXPECT_EQ(punt_class(wire::ether(kFrontMac, kClientMac, 0x8100, Bytes(60))), PuntClass::other);
}

TEST(PuntClass, of_fragments_and_pieces) {
  for (const bool ipv6 : {false, true}) {
    const Bytes whole = tcp_packet(flow(kFar[ipv6], 5000, kHost[ipv6], 179), kAck, Bytes(64, 7));
    const std::vector<Bytes> pieces = wire::fragments(whole, 40, 9);
    EXPECT_EQ(punt_class(from_client(pieces.at(0))), PuntClass::routing);
    EXPECT_EQ(punt_class(from_client(pieces.at(1))), PuntClass::other);
    const Bytes frame = from_client(whole);
    for (size_t bytes = 0; bytes < frame.size(); ++bytes) {
      const Bytes cut(frame.begin(), frame.begin() + static_cast<long>(bytes));  // nothing behind its end is read
      const size_t header_bytes = 14 + wire::ip_header_bytes(whole) + 20;
      EXPECT_EQ(punt_class(cut), bytes < header_bytes ? PuntClass::other : PuntClass::routing) << bytes;
    }
  }
}

TEST(PuntGate, each_kind_has_its_rate) {
  PuntGate gate(1000);
  unsigned passed[kPuntClassCount] = {};
  for (uint64_t now_ms = 10'000; now_ms < 11'000; ++now_ms)
    for (unsigned i = 0; i < 20; ++i)
      for (size_t kind = 0; kind < kPuntClassCount; ++kind)
        if (kind != static_cast<size_t>(PuntClass::link))
          passed[kind] += gate.take(PuntClass{static_cast<uint8_t>(kind)}, now_ms);
  for (size_t kind = 0; kind < kPuntClassCount; ++kind) {
    const unsigned rate = kind == static_cast<size_t>(PuntClass::link)      ? 0
                          : kind == static_cast<size_t>(PuntClass::session) ? kSessionShare * 1000
                                                                            : 1000;
    EXPECT_NEAR(passed[kind], rate, rate / 100.0) << kind;
  }
  for (unsigned i = 0; i < kPuntBurstMs; ++i) EXPECT_TRUE(gate.take(PuntClass::link, 11'000)) << "not spent by others";
  EXPECT_FALSE(gate.take(PuntClass::link, 11'000));
  EXPECT_TRUE(gate.take(PuntClass::link, 11'001));
}

TEST(PuntGate, slow_rates_and_none) {
  PuntGate slow(3);
  unsigned passed = 0;
  for (uint64_t now_ms = 5000; now_ms < 15'000; ++now_ms) passed += slow.take(PuntClass::icmp, now_ms);
  EXPECT_NEAR(passed, 30, 1);
  PuntGate open(0);
  for (unsigned i = 0; i < 100'000; ++i) ASSERT_TRUE(open.take(PuntClass::other, 1));
}

TEST(Punt, a_flood_of_one_kind_leaves_the_kernel_the_others) {
  Testbed bed({.with_exception_port = true, .punt_rate = 10'000});
  bed.pass(1000);
  const Bytes bgp = tcp(false, kAck, 5000, 179), ssh = tcp(true, kAck, 5000, 22);
  unsigned pings = 0, bgps = 0, sshs = 0;
  for (unsigned turn = 0; turn < 50; ++turn) {
    for (unsigned i = 0; i < 10; ++i) bed.send(kFront, icmp(false, 8));
    if (turn % 10 == 0) bed.send(kFront, bgp);
    if (turn % 10 == 0) bed.send(kFront, ssh);
    bed.worker().clock.anchor(rte_rdtsc(), bed.worker().clock.now_ms());  // held still: all within a millisecond
    bed.run();
    for (const Bytes& frame : bed.received_by_kernel()) {
      bgps += frame == bgp;
      sshs += frame == ssh;
      pings += frame != bgp && frame != ssh;
    }
  }
  EXPECT_EQ(bgps, 5u);
  EXPECT_EQ(sshs, 5u);
  EXPECT_GE(pings, 10u * kPuntBurstMs);
  EXPECT_LT(pings, 200u);
  EXPECT_EQ(bed.dropped(DropReason::punt_rate), 500 - pings);
}

}  // namespace
}  // namespace millrace
