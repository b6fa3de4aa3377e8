#include "dataplane/tcp/proxy_header.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace millrace {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr uint8_t kUntouched = 0xa5;

Endpoint at(const std::string& text) { return parse_endpoint(text).value(); }

ProxyHeaderFacts facts(const std::string& source, const std::string& destination, std::string_view authority = {},
                       uint64_t unique_id = 0) {
  return {.source = at(source), .destination = at(destination), .authority = authority, .unique_id = unique_id};
}

// `lead` bytes from the start of a word, since the header goes to any place of a packet.
Bytes write(ProxyProtocol version, const ProxyHeaderFacts& header, size_t lead = 0) {
  alignas(8) std::array<uint8_t, kProxyHeaderBytesMax + 8> memory;
  memory.fill(kUntouched);
  const std::span<uint8_t, kProxyHeaderBytesMax> out(memory.data() + lead, kProxyHeaderBytesMax);
  const size_t count = write_proxy_header(version, header, out);
  EXPECT_LE(count, kProxyHeaderBytesMax);
  const auto is_untouched = [](uint8_t byte) { return byte == kUntouched; };
  EXPECT_TRUE(std::all_of(memory.begin(), memory.begin() + static_cast<ptrdiff_t>(lead), is_untouched));
  EXPECT_TRUE(std::all_of(memory.begin() + static_cast<ptrdiff_t>(lead + count), memory.end(), is_untouched));
  return {out.begin(), out.begin() + static_cast<ptrdiff_t>(count)};
}

std::string write_line(const ProxyHeaderFacts& header) {
  const Bytes bytes = write(ProxyProtocol::v1, header);
  return {bytes.begin(), bytes.end()};
}

// CRC-32C bit by bit, from its polynomial 0x1edc6f41 with the bits mirrored.
uint32_t crc32c_bitwise(const Bytes& bytes) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return crc ^ 0xffffffff;
}

uint32_t be32_at(const Bytes& bytes, size_t offset) {
  return uint32_t{bytes[offset]} << 24 | uint32_t{bytes[offset + 1]} << 16 | uint32_t{bytes[offset + 2]} << 8 |
         bytes[offset + 3];
}

// As a receiver does it: put the field aside, take it for zeros, compute again.
void expect_checksum(const Bytes& header) {
  ASSERT_GE(header.size(), 4u);
  Bytes zeroed = header;
  std::fill(zeroed.end() - 4, zeroed.end(), uint8_t{0});
  EXPECT_EQ(be32_at(header, header.size() - 4), crc32c_bitwise(zeroed));
}

struct Tlv {
  uint8_t type;
  std::string value;
  bool operator==(const Tlv&) const = default;
};

// What stands behind the addresses of a v2 header; every length has to fit.
std::vector<Tlv> read_tlvs(const Bytes& header, size_t offset) {
  std::vector<Tlv> tlvs;
  while (offset + kTlvHeadBytes <= header.size()) {
    const size_t bytes = size_t{header[offset + 1]} << 8 | header[offset + 2];
    const size_t value = offset + kTlvHeadBytes;
    EXPECT_LE(value + bytes, header.size());
    if (value + bytes > header.size()) return tlvs;
    tlvs.push_back({header[offset], std::string(header.begin() + static_cast<ptrdiff_t>(value),
                                                header.begin() + static_cast<ptrdiff_t>(value + bytes))});
    offset = value + bytes;
  }
  EXPECT_EQ(offset, header.size());
  return tlvs;
}

TEST(write_proxy_header, writes_nothing_for_none) {
  EXPECT_EQ(write(ProxyProtocol::none, facts("192.0.2.33:1", "203.0.113.10:2", "a.example", 3)), Bytes());
}

TEST(write_proxy_header, v1_is_a_line_for_ipv4) {
  EXPECT_EQ(write_line(facts("192.0.2.33:49152", "203.0.113.10:443")),
            "PROXY TCP4 192.0.2.33 203.0.113.10 49152 443\r\n");
  EXPECT_EQ(write_line(facts("1.2.3.4:1", "5.6.7.8:9")), "PROXY TCP4 1.2.3.4 5.6.7.8 1 9\r\n");
  const std::string longest = write_line(facts("255.255.255.255:65535", "255.255.255.255:65535"));
  EXPECT_EQ(longest, "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n");
  EXPECT_EQ(longest.size(), 56u) << "the longest line by section 2.1";
}

TEST(write_proxy_header, v1_is_a_line_for_ipv6) {
  EXPECT_EQ(write_line(facts("[2001:db8::21]:49152", "[2001:db8:2::10]:443")),
            "PROXY TCP6 2001:db8::21 2001:db8:2::10 49152 443\r\n");
  const std::string longest = write_line(
      facts("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"));
  EXPECT_EQ(
      longest,
      "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
  EXPECT_EQ(longest.size(), 104u) << "the longest line by section 2.1";
}

TEST(write_proxy_header, v1_writes_ipv6_as_rfc_5952_wants_it) {
  for (const auto& [given, text] : std::initializer_list<std::pair<std::string, std::string>>{
           {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
           {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
           {"2001:db8:0:0:1:0:0:0", "2001:db8:0:0:1::"},
           {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
           {"fe80:0:0:0:0:0:0:ABCD", "fe80::abcd"},
           {"::1", "::1"}})
    EXPECT_EQ(write_line(facts("[" + given + "]:1", "[::1]:2")), "PROXY TCP6 " + text + " ::1 1 2\r\n");
}

TEST(write_proxy_header, v1_tells_addresses_and_ports_alone) {
  EXPECT_EQ(write_line(facts("192.0.2.33:1", "203.0.113.10:2", "a.example", 77)),
            write_line(facts("192.0.2.33:1", "203.0.113.10:2")));
}

TEST(write_proxy_header, v2_is_these_bytes_for_ipv4) {
  const Bytes expected = {
      0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,  // signature
      0x21, 0x11, 0x00, 0x26,                                                  // PROXY, TCP over IPv4, 38 bytes follow
      0xc0, 0x00, 0x02, 0x21, 0xcb, 0x00, 0x71, 0x0a, 0xc0, 0x00, 0x01, 0xbb,  // addresses, ports
      0x05, 0x00, 0x10, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,  // unique id "0123456789abcdef"
      0x39, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66,                                //
      0x03, 0x00, 0x04, 0x7f, 0xbb, 0x62, 0x65,                                // checksum
  };
  EXPECT_EQ(write(ProxyProtocol::v2, facts("192.0.2.33:49152", "203.0.113.10:443", {}, 0x0123456789abcdef)), expected);
}

TEST(write_proxy_header, v2_is_these_bytes_for_ipv6) {
  const Bytes expected = {
      0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,  // signature
      0x21, 0x21, 0x00, 0x50,                                                  // PROXY, TCP over IPv6, 80 bytes follow
      0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00,                          // source
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21,                          //
      0x20, 0x01, 0x0d, 0xb8, 0x00, 0x02, 0x00, 0x00,                          // destination
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10,                          //
      0x00, 0x01, 0xff, 0xff,                                                  // ports
      0x02, 0x00, 0x0f, 0x77, 0x77, 0x77, 0x2e, 0x65, 0x78,                    // authority "www.example.org"
      0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67,                    //
      0x05, 0x00, 0x10, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30,  // unique id "000000000000000f"
      0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x66,                                //
      0x03, 0x00, 0x04, 0x79, 0x44, 0xe3, 0xa3,                                // checksum
  };
  EXPECT_EQ(write(ProxyProtocol::v2, facts("[2001:db8::21]:1", "[2001:db8:2::10]:65535", "www.example.org", 15)),
            expected);
}

TEST(crc32c_bitwise, knows_the_check_value) {
  const std::string digits = "123456789";
  EXPECT_EQ(crc32c_bitwise({digits.begin(), digits.end()}), 0xe3069283u);
  EXPECT_EQ(crc32c_bitwise(Bytes(32, 0x00)), 0x8a9136aau) << "RFC 3720 appendix B.4";
  EXPECT_EQ(crc32c_bitwise(Bytes(32, 0xff)), 0x62a8ab43u) << "RFC 3720 appendix B.4";
}

// Every length that an authority can have, so that the checksum ends on every part of a word, in every alignment.
TEST(write_proxy_header, v2_lengths_and_checksum_hold_for_every_authority) {
  for (const bool ipv4 : {true, false})
    for (size_t bytes = 0; bytes <= kAuthorityBytesMax; ++bytes) {
      SCOPED_TRACE(std::to_string(bytes) + (ipv4 ? " bytes, IPv4" : " bytes, IPv6"));
      std::string authority;
      for (size_t i = 0; i < bytes; ++i) authority += static_cast<char>('a' + i * 7 % 26);
      const ProxyHeaderFacts header = ipv4 ? facts("192.0.2.33:1", "203.0.113.10:2", authority, ~uint64_t{0})
                                           : facts("[fd00::1]:1", "[fd00::2]:2", authority, ~uint64_t{0});
      const Bytes written = write(ProxyProtocol::v2, header, bytes % 8);
      ASSERT_GE(written.size(), 16u);
      EXPECT_EQ(size_t{written[14]} << 8 | written[15], written.size() - 16);
      std::vector<Tlv> expected = {{0x05, "ffffffffffffffff"}, {0x03, std::string(written.end() - 4, written.end())}};
      if (!authority.empty()) expected.insert(expected.begin(), Tlv{0x02, authority});
      EXPECT_EQ(read_tlvs(written, ipv4 ? 28 : 52), expected);
      expect_checksum(written);
    }
}

TEST(write_proxy_header, v2_fills_the_bound_in_the_worst_case) {
  const std::string authority(kAuthorityBytesMax, 'n');
  EXPECT_EQ(write(ProxyProtocol::v2, facts("[fd00::1]:1", "[fd00::2]:2", authority, 1)).size(), kProxyHeaderBytesMax);
  EXPECT_EQ(kProxyHeaderBytesMax, 336u);
}

TEST(write_proxy_header, v2_checksum_follows_every_fact) {
  const Bytes written = write(ProxyProtocol::v2, facts("192.0.2.33:1", "203.0.113.10:2", "a.example", 3));
  for (const ProxyHeaderFacts& other : {facts("192.0.2.34:1", "203.0.113.10:2", "a.example", 3),
                                        facts("192.0.2.33:9", "203.0.113.10:2", "a.example", 3),
                                        facts("192.0.2.33:1", "203.0.113.11:2", "a.example", 3),
                                        facts("192.0.2.33:1", "203.0.113.10:9", "a.example", 3),
                                        facts("192.0.2.33:1", "203.0.113.10:2", "b.example", 3),
                                        facts("192.0.2.33:1", "203.0.113.10:2", "a.example", 4)}) {
    const Bytes changed = write(ProxyProtocol::v2, other);
    ASSERT_EQ(changed.size(), written.size());
    EXPECT_NE(be32_at(changed, changed.size() - 4), be32_at(written, written.size() - 4));
    expect_checksum(changed);
  }
}

// A retransmission is generated anew, into memory that holds something else.
TEST(write_proxy_header, gives_equal_bytes_for_equal_facts) {
  for (const ProxyProtocol version : {ProxyProtocol::v1, ProxyProtocol::v2}) {
    const Bytes first = write(version, facts("[fd00::1]:1", "[fd00::2]:2", "a.example", 5));
    std::array<uint8_t, kProxyHeaderBytesMax> memory;
    for (unsigned fill = 0; fill < 256; fill += 51) {
      memory.fill(static_cast<uint8_t>(fill));
      const size_t count = write_proxy_header(version, facts("[fd00::1]:1", "[fd00::2]:2", "a.example", 5), memory);
      EXPECT_EQ(Bytes(memory.begin(), memory.begin() + static_cast<ptrdiff_t>(count)), first);
    }
  }
}

}  // namespace
}  // namespace millrace
