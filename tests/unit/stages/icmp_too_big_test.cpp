// The answers of make_too_big; errors that pass through are icmp_error_test.cpp's.
#include <gtest/gtest.h>

#include "dataplane/stages/icmp_error.h"
#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

constexpr MacAddr kOwn{{0x02, 0xaa, 0, 0, 0, 0x01}};
constexpr MacAddr kNext{{0x02, 0xbb, 0, 0, 0, 0x02}};

IpAddr client(bool ipv4) { return addr(ipv4 ? "198.51.100.7" : "2001:db8:1::7"); }
IpAddr vip(bool ipv4) { return addr(ipv4 ? "203.0.113.10" : "2001:db8:2::10"); }

Bytes large_packet(bool ipv4, size_t payload_bytes, uint16_t fragment = 0x4000, uint8_t proto = 6) {
  wire::IpSettings settings;
  settings.fragment = fragment;
  const Bytes segment = wire::tcp({client(ipv4), vip(ipv4), 40000, 80}, 0x10, Bytes(payload_bytes, 0x77));
  return wire::ip(client(ipv4), vip(ipv4), proto, segment, settings);
}

TEST(Icmp_error_too_big, tells_the_sender_and_quotes_what_may_be_quoted) {
  for (const bool ipv4 : {true, false})
    for (const size_t payload : {0, 1, 200, 507, 508, 509, 1172, 1173, 1460, 9000}) {
      const Bytes packet = large_packet(ipv4, payload);
      Bytes received = wire::ether(kOwn, kNext, packet);
      received.insert(received.end(), 3, 0xee);  // Ethernet padding is not quoted
      wire::Frame frame(received);
      ASSERT_EQ(std::nullopt, make_too_big(frame.mbuf(), vip(ipv4), 1400));
      const Bytes quote = wire::first(packet, std::min<size_t>(packet.size(), ipv4 ? 548 : 1232));
      const wire::IpSettings settings{
          .ttl = 64, .tos = uint8_t(ipv4 ? 0xc0 : 0), .id = 0, .fragment = 0x4000, .options = {}};
      const Bytes message = wire::icmp(vip(ipv4), client(ipv4), ipv4 ? 3 : 2, ipv4 ? 4 : 0, 1400, quote);
      EXPECT_EQ(wire::ether(kNext, kOwn, wire::ip(vip(ipv4), client(ipv4), ipv4 ? 1 : 58, message, settings)),
                frame.bytes());
      EXPECT_EQ("", wire::wrong_checksum(frame.bytes()));
      EXPECT_EQ(frame.bytes().size(), frame.mbuf().pkt_len);
    }
}

void expect_no_too_big(DropReason want, const Bytes& bytes, bool ipv4, size_t headroom = 128) {
  wire::Frame frame(bytes, headroom);
  EXPECT_EQ(want, make_too_big(frame.mbuf(), vip(ipv4), 1400));
  EXPECT_EQ(bytes, frame.bytes());
}

TEST(Icmp_error_too_big, refuses_what_gets_no_such_answer) {
  // Without DF we would have to fragment; an error is never answered by an error (RFC 1122 section 3.2.2).
  for (const uint16_t fragment : {0x0000, 0x2000, 0x4001})
    expect_no_too_big(DropReason::mtu_exceeded, wire::ether(kOwn, kNext, large_packet(true, 1460, fragment)), true);
  expect_no_too_big(DropReason::mtu_exceeded, wire::ether(kOwn, kNext, large_packet(true, 1460, 0x4000, 1)), true);
  expect_no_too_big(DropReason::mtu_exceeded, wire::ether(kOwn, kNext, large_packet(false, 1460, 0, 58)), false);
  for (const bool ipv4 : {true, false}) {
    const Bytes whole = wire::ether(kOwn, kNext, large_packet(ipv4, 1460));
    expect_no_too_big(DropReason::no_mbuf, whole, ipv4, ipv4 ? 27 : 47);
    expect_no_too_big(DropReason::bad_ip_version, whole, !ipv4);
    for (const size_t bytes : {size_t{0}, size_t{14}, size_t{33}, whole.size() - 1})
      expect_no_too_big(DropReason::bad_ip_length, wire::first(whole, bytes), ipv4);
  }
}

}  // namespace
}  // namespace millrace
