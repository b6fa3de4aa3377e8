// values_test.cpp: tables of texts and what they mean; a missing value means the text is refused.
#include "controlplane/config/values.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

template <typename T, typename Parser>
void expect_refused(Parser parse, std::initializer_list<const char*> texts) {
  for (const char* text : texts) {
    const Parsed<T> parsed = parse(text);
    EXPECT_FALSE(parsed.value.has_value()) << text;
    EXPECT_FALSE(parsed.problem.empty()) << text;
    EXPECT_FALSE(parsed.remedy.empty()) << text;
  }
}

TEST(Parse_decimal, digits_only) {
  EXPECT_EQ(parse_decimal("0", 10), 0u);
  EXPECT_EQ(parse_decimal("10", 10), 10u);
  EXPECT_EQ(parse_decimal("18446744073709551615", UINT64_MAX), UINT64_MAX);
  for (const char* text : {"", "11", "-1", "+1", " 1", "1 ", "0x1", "1_0", "18446744073709551616"})
    EXPECT_EQ(parse_decimal(text, 10), std::nullopt) << text;
}

TEST(Parse_duration, units_add_up) {
  const std::pair<const char*, uint64_t> rows[] = {{"0", 0},
                                                   {"0s", 0},
                                                   {"500ms", 500},
                                                   {"2s", 2000},
                                                   {"10m", 600'000},
                                                   {"1h30m", 5'400'000},
                                                   {"7d", 604'800'000},
                                                   {"1m1s1ms", 61'001},
                                                   {"90s90s", 180'000}};
  for (const auto& [text, ms] : rows) EXPECT_EQ(parse_duration_ms(text).value, ms) << text;
  expect_refused<uint64_t>(parse_duration_ms, {"", "1", "s", "1.5s", "-1s", "1 s", "1w", "1h30", "1s ", "10us", "1M",
                                               "366d", "99999999999999999999ms", "18446744073709551615h"});
}

TEST(Format_duration_ms, is_what_parse_duration_ms_reads) {
  EXPECT_EQ(format_duration_ms(0), "0");
  EXPECT_EQ(format_duration_ms(1'500), "1s500ms");
  EXPECT_EQ(format_duration_ms(120'000), "2m");
  EXPECT_EQ(format_duration_ms(5'400'000), "1h30m");
  EXPECT_EQ(format_duration_ms(604'800'000), "7d");
  for (const uint64_t ms : {1ull, 999ull, 60'001ull, 90'061'001ull})
    EXPECT_EQ(parse_duration_ms(format_duration_ms(ms)).value, ms);
}

TEST(Parse_endpoint, address_and_port) {
  EXPECT_EQ(parse_target_endpoint("192.0.2.1:80").value, parse_endpoint("192.0.2.1:80"));
  EXPECT_EQ(parse_target_endpoint("[2001:db8::1]:65535").value, parse_endpoint("[2001:db8::1]:65535"));
  EXPECT_EQ(parse_listen_endpoint(":3000").value, parse_endpoint("0.0.0.0:3000"));
  EXPECT_EQ(parse_listen_endpoint("[::]:3000").value, parse_endpoint("[::]:3000"));
  expect_refused<Endpoint>(parse_target_endpoint, {"",
                                                   ":",
                                                   "[",
                                                   "[]",
                                                   "]",
                                                   "[]:80",
                                                   "a",
                                                   ":80",
                                                   "192.0.2.1",
                                                   "192.0.2.1:",
                                                   "192.0.2.1:0",
                                                   "192.0.2.1:65536",
                                                   "192.0.2.1:+80",
                                                   "192.0.2.1:080x",
                                                   "[192.0.2.1]:80",
                                                   "2001:db8::1:80",
                                                   "[2001:db8::1]",
                                                   "[2001:db8::1",
                                                   "[fe80::1%eth0]:80",
                                                   "[::ffff:192.0.2.1]:80",
                                                   "host:80"});
  expect_refused<Endpoint>(parse_listen_endpoint, {":", ":0", "::80", "::"});
}

TEST(Parse_endpoint, remedies_are_right_themselves) {
  const std::pair<const char*, const char*> rows[] = {
      {"192.0.2.1", "192.0.2.1:80"}, {"[192.0.2.1]:81", "192.0.2.1:81"}, {"2001:db8::1", "[2001:db8::1]:80"}};
  for (const auto& [text, right] : rows) {
    EXPECT_NE(parse_target_endpoint(text).remedy.find(right), std::string::npos) << parse_target_endpoint(text).remedy;
    EXPECT_TRUE(parse_target_endpoint(right).value.has_value());
  }
}

TEST(Parse_address_range, three_forms) {
  const struct {
    const char* text;
    const char* first;
    const char* last;
    uint64_t count;
  } rows[] = {{"10.0.0.1", "10.0.0.1", "10.0.0.1", 1},
              {"10.0.0.250-10.0.1.5", "10.0.0.250", "10.0.1.5", 12},
              {"10.0.0.8/30", "10.0.0.8", "10.0.0.11", 4},
              {"0.0.0.0/0", "0.0.0.0", "255.255.255.255", uint64_t{1} << 32},
              {"fd72::10/126", "fd72::10", "fd72::13", 4},
              {"fd72::ffff-fd72::1:0", "fd72::ffff", "fd72::1:0", 2},
              {"fd72::ffff:ffff:ffff:ffff-fd72:0:0:1::", "fd72::ffff:ffff:ffff:ffff", "fd72:0:0:1::", 2},
              {"fd72::/64", "fd72::", "fd72::ffff:ffff:ffff:ffff", UINT64_MAX},
              {"::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UINT64_MAX},
              {"fd72::1/128", "fd72::1", "fd72::1", 1}};
  for (const auto& row : rows) {
    const Parsed<AddressRange> range = parse_address_range(row.text);
    ASSERT_TRUE(range.value.has_value()) << row.text << range.problem;
    EXPECT_EQ(format_ip(range.value->first), row.first);
    EXPECT_EQ(format_ip(range.value->last), row.last);
    EXPECT_EQ(address_count(*range.value), row.count) << row.text;
  }
  expect_refused<AddressRange>(
      parse_address_range,
      {"", "-", "10.0.0.1-", "-10.0.0.1", "10.0.0.2-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.1/30", "10.0.0.0/33",
       "10.0.0.0/", "10.0.0.0/-1", "fd00::/129", "10.0.0.1 - 10.0.0.2", "/24", "10.0.0.0/24-10.0.1.0/24"});
}

TEST(Parse_port_range, within_16_bits) {
  EXPECT_EQ(parse_port_range("1-65535").value->last, 65535);
  EXPECT_EQ(parse_port_range("80").value->first, 80);
  EXPECT_EQ(parse_port_range("80").value->last, 80);
  expect_refused<PortRange>(parse_port_range, {"", "0-1", "1-65536", "2-1", "1-", "-1", "1-2-3", "a-b", " 1-2"});
}

TEST(Parse_cpu_list, ranges_and_numbers) {
  EXPECT_EQ(parse_cpu_list("1-4").value, (std::vector<unsigned>{1, 2, 3, 4}));
  EXPECT_EQ(parse_cpu_list("0,2").value, (std::vector<unsigned>{0, 2}));
  EXPECT_EQ(parse_cpu_list("7,1-2").value, (std::vector<unsigned>{7, 1, 2}));
  EXPECT_EQ(parse_cpu_list("0-63").value->size(), 64u);
  expect_refused<std::vector<unsigned>>(
      parse_cpu_list, {"", ",", "1,", ",1", "1-", "-1", "2-1", "1,1", "1-3,2", "1024", "0-64", "a", "1 2"});
}

TEST(Parse_mac, six_pairs) {
  EXPECT_EQ(parse_mac("02:00:00:00:aB:Ff"), (MacAddr{{2, 0, 0, 0, 0xab, 0xff}}));
  for (const char* text :
       {"", "02:00:00:00:00", "02-00-00-00-00-01", "02:00:00:00:00:0g", "02:00:00:00:00:001", "2:0:0:0:0:1:2:3:4"})
    EXPECT_EQ(parse_mac(text), std::nullopt) << text;
}

TEST(Parse_neighbour, address_and_mac) {
  EXPECT_EQ(parse_neighbour("10.0.0.1   02:00:00:00:00:01").value->addr, parse_ip("10.0.0.1"));
  expect_refused<StaticNeighbour>(
      parse_neighbour, {"", "10.0.0.1", "02:00:00:00:00:01 10.0.0.1", "10.0.0.1 02:00:00:00:00:01 x",
                        "0.0.0.0 02:00:00:00:00:01", "127.0.0.1 02:00:00:00:00:01", "ff02::1 02:00:00:00:00:01",
                        "10.0.0.1 ff:ff:ff:ff:ff:ff", "10.0.0.1 00:00:00:00:00:00"});
}

TEST(Parse_route, prefix_and_gateway) {
  EXPECT_EQ(parse_route("::/0 via fd00::1").value->gateway, parse_ip("fd00::1"));
  EXPECT_EQ(parse_route("10.0.0.0/24").value->prefix_bits, 24);
  expect_refused<StaticRoute>(parse_route,
                              {"", "10.0.0.0", "10.0.0.1/24", "10.0.0.0/24 via", "10.0.0.0/24 to 10.0.0.1",
                               "10.0.0.0/24 via fd00::1", "::/0 via 10.0.0.1", "::/0 via ::", "0.0.0.0/0 via 127.0.0.1",
                               "0.0.0.0/0 via 224.0.0.1", "0.0.0.0/0 via 10.0.0.1 dev eth0"});
}

TEST(Unicast_problem, names_each_kind) {
  for (const char* text : {"0.0.0.0", "::", "127.255.255.255", "::1", "224.0.0.1", "239.255.255.255", "ff02::1",
                           "255.255.255.255", "fe80::1", "febf::1"})
    EXPECT_FALSE(unicast_problem(parse_ip(text).value()).empty()) << text;
  for (const char* text : {"10.0.0.1", "203.0.113.255", "223.255.255.255", "2001:db8::1", "fd00::1", "fec0::1", "::2"})
    EXPECT_TRUE(unicast_problem(parse_ip(text).value()).empty()) << text;
}

TEST(Split_words, runs_of_blanks) {
  using Words = std::vector<std::string_view>;
  EXPECT_EQ(split_words(""), Words{});
  EXPECT_EQ(split_words(" \t "), Words{});
  EXPECT_EQ(split_words(" a \t b"), (Words{"a", "b"}));
}

}  // namespace
}  // namespace millrace::config
