#include "millrace/addr.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace {
namespace {

using namespace std::string_view_literals;

IpAddr ip(std::string_view text) { return parse_ip(text).value(); }

TEST(Be16_from_host, stands_on_the_wire_high_byte_first) {
  const Be16 port = Be16::from_host(0x1234);
  uint8_t bytes[2];
  std::memcpy(bytes, &port.raw, 2);
  EXPECT_EQ(bytes[0], 0x12);
  EXPECT_EQ(bytes[1], 0x34);
  EXPECT_EQ(port.host(), 0x1234);
}

TEST(Be32_from_host, stands_on_the_wire_high_byte_first) {
  const Be32 word = Be32::from_host(0x12345678);
  uint8_t bytes[4];
  std::memcpy(bytes, &word.raw, 4);
  EXPECT_EQ(bytes[0], 0x12);
  EXPECT_EQ(bytes[3], 0x78);
  EXPECT_EQ(word.host(), 0x12345678u);
}

TEST(parse_ip, takes_what_format_ip_gives) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "2001:db8:0:1:2:3:4:5", "fe80::1", "ff02::1"}) {
    const auto addr = parse_ip(text);
    ASSERT_TRUE(addr) << text;
    EXPECT_EQ(format_ip(*addr), text);
  }
}

TEST(parse_ip, stores_ipv4_mapped) {
  EXPECT_EQ(ip("192.0.2.1"), ip("::ffff:192.0.2.1"));
  EXPECT_EQ(ip("192.0.2.1"), IpAddr::from_ipv4(Be32::from_host(0xc0000201)));
  EXPECT_EQ(ip("192.0.2.1").ipv4().host(), 0xc0000201u);
  EXPECT_EQ(ip("192.0.2.1").family(), Family::ipv4);
  EXPECT_EQ(ip("2001:db8::1").family(), Family::ipv6);
  EXPECT_FALSE(ip("::1").is_ipv4());
  EXPECT_FALSE(ip("::fffe:192.0.2.1").is_ipv4());
}

TEST(parse_ip, refuses_what_is_no_address) {
  for (std::string_view text : {""sv,
                                " "sv,
                                "192.0.2"sv,
                                "192.0.2.1.5"sv,
                                "192.0.2.256"sv,
                                "192.0.2.-1"sv,
                                "192.0.2.1 "sv,
                                " 192.0.2.1"sv,
                                "0x7f.0.0.1"sv,
                                "1"sv,
                                "192.0.2.1/24"sv,
                                "[::1]"sv,
                                "::1%lo"sv,
                                "fe80::1%eth0"sv,
                                "1::2::3"sv,
                                ":::"sv,
                                "12345::"sv,
                                "1:2:3:4:5:6:7"sv,
                                "1:2:3:4:5:6:7:8:9"sv,
                                "g::"sv,
                                "localhost"sv,
                                "2001:db8::1:80:90:100:110:120:130:140"sv})
    EXPECT_FALSE(parse_ip(text)) << '"' << text << '"';
  EXPECT_FALSE(parse_ip(std::string(10'000, '1')));
  EXPECT_FALSE(parse_ip("192.0.2.1\0x"sv));
}

TEST(parse_ip, reads_no_further_than_the_view) { EXPECT_EQ(parse_ip("192.0.2.199"sv.substr(0, 9)), ip("192.0.2.1")); }

TEST(IpAddr_is_any, knows_both_families) {
  EXPECT_TRUE(ip("0.0.0.0").is_any());
  EXPECT_TRUE(ip("::").is_any());
  EXPECT_FALSE(ip("0.0.0.1").is_any());
  EXPECT_FALSE(ip("::1").is_any());
}

TEST(IpAddr_is_loopback, knows_both_families) {
  EXPECT_TRUE(ip("127.0.0.1").is_loopback());
  EXPECT_TRUE(ip("127.255.255.254").is_loopback());
  EXPECT_TRUE(ip("::1").is_loopback());
  EXPECT_FALSE(ip("128.0.0.1").is_loopback());
  EXPECT_FALSE(ip("::").is_loopback());
  EXPECT_FALSE(ip("::2").is_loopback());
  EXPECT_FALSE(ip("1::1").is_loopback());
}

TEST(IpAddr_is_multicast, knows_both_families) {
  EXPECT_TRUE(ip("224.0.0.1").is_multicast());
  EXPECT_TRUE(ip("239.255.255.255").is_multicast());
  EXPECT_TRUE(ip("ff02::1").is_multicast());
  EXPECT_FALSE(ip("223.255.255.255").is_multicast());
  EXPECT_FALSE(ip("240.0.0.1").is_multicast());
  EXPECT_FALSE(ip("fe80::1").is_multicast());
}

TEST(IpAddr_order, is_that_of_the_numbers) {
  EXPECT_LT(ip("10.0.0.9"), ip("10.0.0.10"));
  EXPECT_LT(ip("10.0.0.255"), ip("10.0.1.0"));
  EXPECT_LT(ip("2001:db8::ffff"), ip("2001:db8::1:0"));
}

TEST(parse_endpoint, takes_what_format_endpoint_gives) {
  for (const char* text : {"192.0.2.1:80", "0.0.0.0:1", "[2001:db8::1]:65535", "[::]:443"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(format_endpoint(*endpoint), text);
  }
  EXPECT_EQ(parse_endpoint("192.0.2.1:80")->port.host(), 80);
}

TEST(parse_endpoint, refuses_what_is_no_endpoint) {
  for (std::string_view text : {""sv,
                                ":"sv,
                                ":80"sv,
                                "192.0.2.1"sv,
                                "192.0.2.1:"sv,
                                "192.0.2.1:0"sv,
                                "192.0.2.1:65536"sv,
                                "192.0.2.1:-1"sv,
                                "192.0.2.1:+80"sv,
                                "192.0.2.1:80 "sv,
                                "192.0.2.1: 80"sv,
                                "192.0.2.1:0x50"sv,
                                "192.0.2.1:80a"sv,
                                "192.0.2.1:http"sv,
                                "192.0.2.1:99999999999999999999"sv,
                                "[192.0.2.1]:80"sv,
                                "2001:db8::1:80"sv,
                                "2001:db8::1"sv,
                                "[2001:db8::1]"sv,
                                "[2001:db8::1]80"sv,
                                "[2001:db8::1:80"sv,
                                "2001:db8::1]:80"sv,
                                "[]:80"sv,
                                "[[::1]]:80"sv,
                                "host:80"sv,
                                "[::ffff:192.0.2.1]:80"sv,
                                "192.0.2.1:80:81"sv})
    EXPECT_FALSE(parse_endpoint(text)) << '"' << text << '"';
}

}  // namespace
}  // namespace millrace
