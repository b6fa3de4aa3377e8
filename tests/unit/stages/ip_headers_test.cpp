// ip_headers_test.cpp: IPv6 extension headers and IPv4 options, by rule.
#include "dataplane/stages/ip_headers.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kEsp = 50, kAh = 51, kDstOpts = 60, kMobility = 135;

Bytes options_header(uint8_t next, size_t bytes = 8) {
  Bytes out(bytes, 0);
  out[0] = next;
  out[1] = static_cast<uint8_t>(bytes / 8 - 1);
  return out;
}
Bytes routing_header(uint8_t next, uint8_t segments_left) {
  Bytes out = options_header(next, 24);
  out[3] = segments_left;
  return out;
}
Bytes fragment_header(uint8_t next, uint16_t place, uint32_t id = 7) {
  Bytes out = {next, 0};
  wire::put16(out, place);
  wire::put16(out, id >> 16);
  wire::put16(out, id & 0xffff);
  return out;
}

// In memory that ends where the packet ends.
std::optional<DropReason> walk(uint8_t first, const std::vector<Bytes>& headers, Ipv6Chain& chain) {
  Bytes payload;
  for (const Bytes& header : headers) payload = wire::joined(payload, header);
  const Bytes packet = wire::ip(wire::addr("2001:db8::1"), wire::addr("2001:db8::2"), first, payload);
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[packet.size()]);
  std::copy(packet.begin(), packet.end(), memory.get());
  return walk_ipv6_chain(memory.get(), static_cast<unsigned>(packet.size()), chain);
}
void expect_walk(uint8_t first, const std::vector<Bytes>& headers, uint8_t proto, unsigned chain_bytes) {
  Ipv6Chain chain;
  EXPECT_EQ(walk(first, headers, chain), std::nullopt);
  EXPECT_EQ(chain.proto, proto);
  EXPECT_EQ(chain.bytes, 40 + chain_bytes);
}
void expect_refused(uint8_t first, const std::vector<Bytes>& headers) {
  Ipv6Chain chain;
  EXPECT_EQ(walk(first, headers, chain), DropReason::ip_extension);
}

TEST(Ipv6_chain, headers_that_pass) {
  expect_walk(17, {Bytes(8)}, 17, 0);
  expect_walk(kHopByHop, {options_header(6)}, 6, 8);
  expect_walk(kDstOpts, {options_header(17, 40)}, 17, 40);
  expect_walk(kHopByHop, {options_header(kDstOpts), options_header(kRouting), routing_header(6, 0)}, 6, 40);
  expect_walk(59, {Bytes(8)}, 59, 0);
}

TEST(Ipv6_chain, rfc8200_hop_by_hop_options_stand_first_or_not_at_all) {
  expect_refused(kDstOpts, {options_header(kHopByHop), options_header(6)});
}

TEST(Ipv6_chain, rfc5095_a_routing_header_must_be_used_up) {
  expect_refused(kRouting, {routing_header(6, 1)});
  expect_walk(kRouting, {routing_header(6, 0)}, 6, 24);
}

TEST(Ipv6_chain, headers_that_are_not_supported) {
  for (const uint8_t header : {kAh, kEsp, kMobility, uint8_t{139}, uint8_t{140}})
    expect_refused(header, {options_header(6, 24)});
}

TEST(Ipv6_chain, fragments_by_their_place) {
  Ipv6Chain chain;
  ASSERT_EQ(walk(kFragment, {fragment_header(17, 0x0001, 0x12345678), Bytes(8)}, chain), std::nullopt);
  EXPECT_TRUE(chain.is_fragment() && !chain.is_later_fragment());
  EXPECT_EQ(chain.id, 0x12345678u);
  EXPECT_EQ(chain.fragment_at, 40);
  ASSERT_EQ(walk(kHopByHop, {options_header(kFragment), fragment_header(17, 185 << 3), Bytes(8)}, chain), std::nullopt);
  EXPECT_TRUE(chain.is_later_fragment() && !chain.more);
  EXPECT_EQ(chain.offset_units, 185);
  EXPECT_EQ(chain.fragment_at, 48);
  EXPECT_EQ(chain.bytes, 56);
}

TEST(Ipv6_chain, rfc6946_an_atomic_fragment_is_a_whole_packet) {
  Ipv6Chain chain;
  ASSERT_EQ(walk(kFragment, {fragment_header(17, 0), Bytes(8)}, chain), std::nullopt);
  EXPECT_FALSE(chain.is_fragment());
  EXPECT_EQ(chain.proto, 17);
}

TEST(Ipv6_chain, behind_a_later_fragments_header_is_data) {
  Ipv6Chain chain;
  ASSERT_EQ(walk(kFragment, {fragment_header(kDstOpts, 16), Bytes(8, 0xff)}, chain), std::nullopt);
  EXPECT_EQ(chain.proto, kDstOpts);
  EXPECT_EQ(chain.bytes, 48);
  expect_refused(kFragment, {fragment_header(kFragment, 1), fragment_header(17, 1)});
}

TEST(Ipv6_chain, cut_off) {
  expect_refused(kDstOpts, {});
  expect_refused(kDstOpts, {Bytes{6, 0, 0, 0, 0, 0, 0}});
  expect_refused(kDstOpts, {wire::first(options_header(6, 40), 39)});
  expect_refused(kFragment, {wire::first(fragment_header(17, 1), 7)});
}

TEST(Ipv6_chain, bounded_in_headers_and_bytes) {
  std::vector<Bytes> most(kExtensionHeadersMax, options_header(kDstOpts));
  most.back()[0] = 17;
  expect_walk(kDstOpts, most, 17, 8 * kExtensionHeadersMax);
  most.back()[0] = kDstOpts;
  most.push_back(options_header(17));
  expect_refused(kDstOpts, most);
  expect_walk(kDstOpts, {options_header(17, kExtensionBytesMax)}, 17, kExtensionBytesMax);
  expect_refused(kDstOpts, {options_header(17, kExtensionBytesMax + 8)});
}

std::optional<DropReason> check_options(const Bytes& options) {
  const Bytes packet = wire::ip(wire::addr("192.0.2.1"), wire::addr("192.0.2.2"), 17, {}, {.options = options});
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[packet.size()]);
  std::copy(packet.begin(), packet.end(), memory.get());
  return check_ipv4_options(*reinterpret_cast<const rte_ipv4_hdr*>(memory.get()));
}

TEST(Ipv4_options, those_that_pass) {
  EXPECT_EQ(check_options({1, 1, 1, 0}), std::nullopt);
  EXPECT_EQ(check_options({148, 4, 0, 0}), std::nullopt) << "router alert";
  EXPECT_EQ(check_options({7, 7, 4, 0, 0, 0, 0, 0}), std::nullopt) << "record route";
  EXPECT_EQ(check_options({0, 131, 131, 131}), std::nullopt) << "behind the end is padding";
}

TEST(Ipv4_options, rfc7126_source_routes) {
  EXPECT_EQ(check_options({131, 7, 4, 10, 0, 0, 1, 0}), DropReason::ip_options);
  EXPECT_EQ(check_options({1, 137, 7, 4, 10, 0, 0, 1}), DropReason::ip_options);
}

TEST(Ipv4_options, lengths_without_sense) {
  EXPECT_EQ(check_options({148, 0, 0, 0}), DropReason::ip_options);
  EXPECT_EQ(check_options({148, 1, 0, 0}), DropReason::ip_options);
  EXPECT_EQ(check_options({148, 5, 0, 0}), DropReason::ip_options);
  EXPECT_EQ(check_options({1, 1, 1, 148}), DropReason::ip_options) << "no length at all";
}

// Through a worker ----------------------------------------------------------------------------------------------------

TestbedOptions udp_options() {
  TestbedOptions options;
  options.services[0].proto = Proto::udp;
  return options;
}

TEST(Ip_headers_through, ipv4_options_pass_unchanged) {
  Testbed bed;
  const Bytes options = {148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0};
  const Bytes got = bed.forwarded(
      kFront, from_client(tcp_packet(flow("192.0.2.10", 40'000, "203.0.113.10", 80), kSyn, {}, {.options = options})),
      kBack);
  EXPECT_EQ(wire::slice(got, 34, 46), options);
}

TEST(Ip_headers_through, rfc7126_source_routed_packets_are_dropped) {
  Testbed bed;
  const Bytes options = {131, 7, 4, 10, 0, 0, 1, 0};
  bed.expect_drop(
      kFront, from_client(tcp_packet(flow("192.0.2.10", 40'000, "203.0.113.10", 80), kSyn, {}, {.options = options})),
      DropReason::ip_options);
}

TEST(Ip_headers_through, ipv6_extension_headers_pass_unchanged) {
  Testbed bed(udp_options());
  const wire::Flow client = flow(kIpv6Case.client, 40'000, kIpv6Case.vip, 80);
  const Bytes chain = {60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0};  // hop-by-hop and destination options
  const Bytes sent = wire::ip(client.src, client.dst, 0, wire::joined(chain, wire::udp(client, {1, 2, 3})));
  bed.send(kFront, from_client(sent));
  bed.run();
  const std::vector<Bytes> got = bed.received(kBack);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(wire::slice(got[0], 54, 70), chain);
  // Without them the datagram is as sound as it was.
  Bytes packet = wire::slice(got[0], 14, got[0].size());
  packet.erase(packet.begin() + 40, packet.begin() + 56);
  packet[6] = 17;
  wire::fix_ip_header(packet);
  const Bytes plain = from_client(packet);
  EXPECT_EQ(wire::wrong_checksum(plain), "");
  EXPECT_EQ(seen(plain).dst, wire::addr(kIpv6Case.backend));
}

TEST(Ip_headers_through, rfc6946_an_atomic_fragment_is_a_packet) {
  Testbed bed(udp_options());
  const Bytes packet = udp_packet(flow(kIpv6Case.client, 40'000, kIpv6Case.vip, 80), Bytes(100, 0x5a));
  const size_t data_bytes = packet.size() - 40;
  for (unsigned twice = 0; twice < 2; ++twice) {  // nothing is remembered of its identification
    bed.send(kFront, from_client(wire::fragment(packet, 0, data_bytes, 5, false)));
    bed.run();
    const std::optional<Bytes> whole = wire::reassembled(bed.received(kBack));
    ASSERT_TRUE(whole.has_value());
    EXPECT_EQ(wire::wrong_checksum(*whole), "");
  }
}

}  // namespace
}  // namespace millrace
