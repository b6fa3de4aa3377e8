#include "dataplane/stages/checksum.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::Bytes;

// Words that one's-complement arithmetic trips over come up half of the time.
uint16_t corner_word(std::mt19937& random) {
  constexpr uint16_t kCorners[] = {0x0000, 0xffff, 0x0001, 0xfffe, 0x8000, 0x7fff, 0x0100, 0xff00};
  const uint32_t roll = random();
  return roll & 1 ? kCorners[(roll >> 1) % std::size(kCorners)] : static_cast<uint16_t>(roll >> 16);
}

TEST(Checksum_sum, agrees_with_the_example_of_rfc_1071) {
  const Bytes bytes = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(Be16::from_host(0xddf2).raw, checksum_sum(bytes.data(), bytes.size()));
}

TEST(Checksum_sum, pads_an_odd_last_byte_with_zero) {
  const Bytes odd = {0x12, 0x34, 0x56};
  const Bytes even = {0x12, 0x34, 0x56, 0x00};
  EXPECT_EQ(checksum_sum(even.data(), 4), checksum_sum(odd.data(), 3));
  EXPECT_EQ(0, checksum_sum(odd.data(), 0));
}

TEST(Checksum_apply, corner_of_rfc_1624_gives_zero_not_ffff) {
  // Section 4's example: HC = 0xdd2f, m = 0x5555, m' = 0x3285; equation 3 gives 0x0000 where equation 2 gave 0xffff.
  EXPECT_EQ(0x0000, apply_delta(0xdd2f, checksum_delta(0x5555, 0x3285)));
}

TEST(Checksum_apply, unchanged_words_leave_the_field) {
  for (uint32_t field = 0; field <= 0xffff; ++field) {
    // 0xffff is the other zero: no sender computes it, and it may come back as 0x0000.
    const uint16_t want = field == 0xffff ? 0 : static_cast<uint16_t>(field);
    EXPECT_EQ(want, apply_delta(static_cast<uint16_t>(field), checksum_delta(0x1234, 0x1234)));
  }
}

TEST(Checksum_apply, every_delta_is_undone_by_its_reverse) {
  for (uint32_t delta = 0; delta <= 0xffff; ++delta) {
    const uint16_t there = apply_delta(0x4711, static_cast<uint16_t>(delta));
    EXPECT_EQ(0x4711, apply_delta(there, reverse_delta(static_cast<uint16_t>(delta))));
  }
}

TEST(Checksum_udp, zero_stays_zero_and_a_computed_zero_is_sent_as_ffff) {
  EXPECT_EQ(0, apply_udp_delta(0, 0x1234));
  EXPECT_EQ(0xffff, apply_udp_delta(0xdd2f, checksum_delta(0x5555, 0x3285)));
  // A received 0xffff is that same zero, and counts.
  EXPECT_EQ(apply_delta(0x0000, 0x1234), apply_udp_delta(0xffff, 0x1234));
}

TEST(Checksum_apply, random_rewrites_equal_a_full_computation) {
  std::mt19937 random(20240601);
  unsigned zero_results = 0;
  for (unsigned round = 0; round < 100'000; ++round) {
    const size_t word_count = 2 + random() % 24;
    Bytes bytes;
    for (size_t i = 0; i < word_count; ++i) wire::put16(bytes, corner_word(random));
    bytes[0] = 0x45;  // some word of a header or pseudo-header is never zero
    const uint16_t field = Be16::from_host(wire::checksum(bytes)).raw;
    const size_t changed_at = 2 + 2 * (random() % (word_count - 1));
    const size_t changed_bytes = std::min<size_t>(2 * (1 + random() % 8), bytes.size() - changed_at);
    const uint16_t before = checksum_sum(&bytes[changed_at], changed_bytes);
    for (size_t i = 0; i < changed_bytes; i += 2) wire::set16(bytes, changed_at + i, corner_word(random));
    if (round % 4 == 0) {  // make it the corner: a new checksum of zero
      wire::set16(bytes, changed_at, 0);
      wire::set16(bytes, changed_at, wire::checksum(bytes));
    }
    const uint16_t delta = checksum_delta(before, checksum_sum(&bytes[changed_at], changed_bytes));
    const uint16_t want = Be16::from_host(wire::checksum(bytes)).raw;
    ASSERT_EQ(want, apply_delta(field, delta)) << "round " << round;
    ASSERT_EQ(field, apply_delta(want, reverse_delta(delta))) << "round " << round;
    zero_results += want == 0;
  }
  EXPECT_GE(zero_results, 25'000u);
}

TEST(Checksum_ttl, delta_equals_a_full_computation_for_every_ttl) {
  for (unsigned ttl = 1; ttl < 256; ++ttl) {
    wire::IpSettings settings;
    settings.ttl = static_cast<uint8_t>(ttl);
    const Bytes before = wire::ip(wire::addr("192.0.2.1"), wire::addr("198.51.100.7"), 6, {}, settings);
    --settings.ttl;
    const Bytes after = wire::ip(wire::addr("192.0.2.1"), wire::addr("198.51.100.7"), 6, {}, settings);
    EXPECT_EQ(Be16::from_host(wire::get16(after, 10)).raw,
              apply_delta(Be16::from_host(wire::get16(before, 10)).raw, kTtlDelta));
  }
}

template <typename Array>
void fill_randomly(Array& bytes, std::mt19937& random) {
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint16_t word = corner_word(random);
    std::memcpy(bytes.data() + i, &word, 2);
  }
}

IpAddr random_address(std::mt19937& random, bool ipv4) {
  IpAddr addr;
  fill_randomly(addr.bytes, random);
  if (ipv4) {
    Be32 low;
    std::memcpy(&low.raw, addr.bytes.data(), 4);
    return IpAddr::from_ipv4(low);
  }
  addr.bytes[0] = 0x20;
  return addr;
}

TEST(Checksum_connection, deltas_turn_one_packet_into_the_other) {
  std::mt19937 random(7);
  for (unsigned round = 0; round < 100'000; ++round) {
    const bool ipv4 = random() & 1;
    const bool is_udp = random() & 1;
    const wire::Flow seen{random_address(random, ipv4), random_address(random, ipv4), corner_word(random),
                          corner_word(random)};
    const wire::Flow sent{random_address(random, ipv4), random_address(random, ipv4), corner_word(random),
                          corner_word(random)};
    ConnEntry entry{};
    entry.family = ipv4 ? Family::ipv4 : Family::ipv6;
    entry.client_port = Be16::from_host(seen.src_port);
    entry.vip_port = Be16::from_host(seen.dst_port);
    entry.snat_port = Be16::from_host(sent.src_port);
    entry.backend_port = Be16::from_host(sent.dst_port);
    if (ipv4) {
      entry.client4 = seen.src.ipv4(), entry.vip4 = seen.dst.ipv4();
      entry.snat4 = sent.src.ipv4(), entry.backend4 = sent.dst.ipv4();
    } else {
      entry.client6 = seen.src.bytes, entry.vip6 = seen.dst.bytes;
      entry.snat6 = sent.src.bytes, entry.backend6 = sent.dst.bytes;
    }
    set_checksum_deltas(entry);

    Bytes payload;
    for (size_t i = random() % 20; i > 0; --i) payload.push_back(static_cast<uint8_t>(random()));
    if (is_udp && round % 4 == 0) {  // a translated checksum of zero, which UDP sends as 0xffff
      payload.resize(payload.size() / 2 * 2);
      wire::put16(payload, wire::get16(wire::udp(sent, wire::joined(payload, {0, 0})), 6));
    }
    const Bytes before = is_udp ? wire::udp(seen, payload) : wire::tcp(seen, 0x10, payload);
    const Bytes after = is_udp ? wire::udp(sent, payload) : wire::tcp(sent, 0x10, payload);
    const size_t at = is_udp ? 6 : 16;
    const uint16_t old_field = Be16::from_host(wire::get16(before, at)).raw;
    const uint16_t new_field = Be16::from_host(wire::get16(after, at)).raw;
    auto apply = [is_udp](uint16_t field, uint16_t delta) {
      return is_udp ? apply_udp_delta(field, delta) : apply_delta(field, delta);
    };
    ASSERT_EQ(new_field, apply(old_field, entry.l4_delta)) << "round " << round;
    ASSERT_EQ(old_field, apply(new_field, reverse_delta(entry.l4_delta))) << "round " << round;
    if (!ipv4) {
      ASSERT_EQ(0, entry.l3_delta);
      continue;
    }
    const uint16_t old_ip = Be16::from_host(wire::get16(wire::ip(seen.src, seen.dst, 6, {}), 10)).raw;
    const uint16_t new_ip = Be16::from_host(wire::get16(wire::ip(sent.src, sent.dst, 6, {}), 10)).raw;
    ASSERT_EQ(new_ip, apply_delta(old_ip, entry.l3_delta)) << "round " << round;
    ASSERT_EQ(old_ip, apply_delta(new_ip, reverse_delta(entry.l3_delta))) << "round " << round;
  }
}

bool valid(const Bytes& packet) {
  const bool ipv4 = packet.at(0) >> 4 == 4;
  const size_t header_bytes = ipv4 ? (packet[0] & 15) * 4u : 40u;
  const uint8_t proto = packet.at(ipv4 ? 9 : 6);
  const uint16_t l4_bytes = static_cast<uint16_t>(packet.size() - header_bytes);
  const uint8_t* l4 = packet.data() + header_bytes;
  if (ipv4) return l4_checksum_valid(*reinterpret_cast<const rte_ipv4_hdr*>(packet.data()), proto, l4, l4_bytes);
  return l4_checksum_valid(*reinterpret_cast<const rte_ipv6_hdr*>(packet.data()), proto, l4, l4_bytes);
}

TEST(Checksum_verify, right_packets_pass_and_every_flipped_bit_fails) {
  for (const bool ipv4 : {true, false}) {
    const wire::Flow flow = ipv4 ? wire::Flow{wire::addr("192.0.2.1"), wire::addr("203.0.113.10"), 40000, 80}
                                 : wire::Flow{wire::addr("2001:db8::1"), wire::addr("2001:db8::10"), 40000, 80};
    for (const Bytes& payload : {Bytes{}, Bytes{'o', 'd', 'd'}, Bytes(1400, 0xa5)}) {
      const Bytes packets[] = {
          wire::ip(flow.src, flow.dst, 6, wire::tcp(flow, 0x18, payload)),
          wire::ip(flow.src, flow.dst, 17, wire::udp(flow, payload)),
          wire::ip(flow.src, flow.dst, ipv4 ? 1 : 58, wire::icmp(flow.src, flow.dst, ipv4 ? 8 : 128, 0, 7, payload)),
      };
      for (const Bytes& packet : packets) {
        ASSERT_TRUE(valid(packet));
        for (size_t at = ipv4 ? 20 : 40; at < packet.size(); at += 1 + at / 16) {
          Bytes broken = packet;
          broken[at] ^= 0x10;
          EXPECT_FALSE(valid(broken)) << "byte " << at;
        }
      }
    }
  }
}

TEST(Checksum_verify, pseudo_header_counts) {
  const wire::Flow flow{wire::addr("192.0.2.1"), wire::addr("203.0.113.10"), 40000, 80};
  EXPECT_FALSE(valid(wire::ip(wire::addr("192.0.2.2"), flow.dst, 6, wire::tcp(flow, 0x10, {}))));
  EXPECT_FALSE(valid(wire::ip(flow.src, flow.dst, 17, wire::tcp(flow, 0x10, {}))));
}

TEST(Checksum_verify, absent_udp_checksum_is_right_in_ipv4_and_wrong_in_ipv6) {
  const wire::Flow flow4{wire::addr("192.0.2.1"), wire::addr("203.0.113.10"), 40000, 53};
  const wire::Flow flow6{wire::addr("2001:db8::1"), wire::addr("2001:db8::10"), 40000, 53};
  EXPECT_TRUE(valid(wire::ip(flow4.src, flow4.dst, 17, wire::udp(flow4, {1, 2, 3}, false))));
  EXPECT_FALSE(valid(wire::ip(flow6.src, flow6.dst, 17, wire::udp(flow6, {1, 2, 3}, false))));
}

TEST(Checksum_ipv4_header, verifies_and_computes_options_too) {
  wire::IpSettings settings;
  settings.options = {0x94, 0x04, 0x00, 0x00};  // router alert
  Bytes packet = wire::ip(wire::addr("192.0.2.1"), wire::addr("203.0.113.10"), 6, {}, settings);
  auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(packet.data());
  EXPECT_TRUE(ipv4_header_checksum_valid(ip));
  const uint16_t right = ip.hdr_checksum;
  ip.hdr_checksum = 0x1234;
  EXPECT_FALSE(ipv4_header_checksum_valid(ip));
  EXPECT_EQ(right, ipv4_header_checksum(ip));
  packet[23] ^= 1;
  EXPECT_NE(right, ipv4_header_checksum(ip));
}

}  // namespace
}  // namespace millrace
