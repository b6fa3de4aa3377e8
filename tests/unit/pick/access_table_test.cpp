#include "dataplane/pick/access_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/unit/pick/pick_targets.h"

namespace millrace {
namespace {

constexpr AccessAction kAllow = AccessAction::allow, kDeny = AccessAction::deny;

AccessRule rule(AccessAction action, const std::string& prefix, uint8_t bits) { return {ip(prefix), bits, action}; }

bool allows(AccessAction otherwise, const std::vector<AccessRule>& rules, const std::string& source) {
  return AccessTable(otherwise, rules).allows(ip(source));
}

// Word for word what the configuration promises.
bool allows_by_the_list(AccessAction otherwise, const std::vector<AccessRule>& rules, const IpAddr& source) {
  for (const AccessRule& rule : rules)
    if (rule.prefix.is_ipv4() == source.is_ipv4() && prefix_of(source, rule.bits) == rule.prefix)
      return rule.action == kAllow;
  return otherwise == kAllow;
}

TEST(AccessTable_allows, everybody_else_by_the_default) {
  EXPECT_TRUE(allows(kAllow, {rule(kDeny, "10.0.0.0", 8)}, "11.0.0.0"));
  EXPECT_FALSE(allows(kDeny, {rule(kAllow, "10.0.0.0", 8)}, "9.255.255.255"));
  EXPECT_FALSE(allows(kDeny, {}, "192.0.2.1"));
  EXPECT_FALSE(allows(kDeny, {}, "2001:db8::1"));
}

TEST(AccessTable_allows, the_first_rule_that_matches_decides) {
  const std::vector<AccessRule> hole_first = {rule(kDeny, "10.1.0.0", 16), rule(kAllow, "10.0.0.0", 8)};
  EXPECT_FALSE(allows(kDeny, hole_first, "10.1.255.255"));
  EXPECT_TRUE(allows(kDeny, hole_first, "10.2.0.0"));
  const std::vector<AccessRule> hole_last = {rule(kAllow, "10.0.0.0", 8), rule(kDeny, "10.1.0.0", 16)};
  EXPECT_TRUE(allows(kDeny, hole_last, "10.1.255.255")) << "a longer prefix behind a shorter one says nothing";
  const std::vector<AccessRule> both = {rule(kDeny, "192.0.2.1", 32), rule(kAllow, "192.0.2.1", 32)};
  EXPECT_FALSE(allows(kAllow, both, "192.0.2.1"));
}

TEST(AccessTable_allows, first_and_last_address_of_a_family) {
  EXPECT_FALSE(allows(kAllow, {rule(kDeny, "0.0.0.0", 0)}, "0.0.0.0"));
  EXPECT_FALSE(allows(kAllow, {rule(kDeny, "0.0.0.0", 0)}, "255.255.255.255"));
  EXPECT_FALSE(allows(kAllow, {rule(kDeny, "255.255.255.255", 32)}, "255.255.255.255"));
  EXPECT_TRUE(allows(kAllow, {rule(kDeny, "255.255.255.255", 32)}, "255.255.255.254"));
  const std::string last6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  EXPECT_FALSE(allows(kAllow, {rule(kDeny, "::", 0)}, last6));
  EXPECT_FALSE(allows(kAllow, {rule(kDeny, last6, 128)}, last6));
  EXPECT_FALSE(allows(kAllow, {rule(kDeny, "::", 128)}, "::"));
  EXPECT_TRUE(allows(kAllow, {rule(kDeny, "::", 128)}, "::1"));
}

TEST(AccessTable_allows, rules_of_one_family_say_nothing_about_the_other) {
  EXPECT_TRUE(allows(kAllow, {rule(kDeny, "0.0.0.0", 0)}, "2001:db8::1"));
  EXPECT_TRUE(allows(kAllow, {rule(kDeny, "::", 0)}, "192.0.2.1"));
}

// Prefixes that lie in each other often: few bits of few values.
IpAddr random_address(std::mt19937& random, bool ipv4) {
  if (ipv4) return IpAddr::from_ipv4(Be32::from_host(0x0a000000u | (static_cast<uint32_t>(random()) & 0x00ff00ffu)));
  IpAddr addr = ip("2001:db8::");
  for (const size_t byte : {4u, 7u, 8u, 15u}) addr.bytes[byte] = static_cast<uint8_t>(random());
  return addr;
}

AccessRule random_rule(std::mt19937& random, bool ipv4) {
  const auto bits = static_cast<uint8_t>(random() % (ipv4 ? 33 : 129));
  return {prefix_of(random_address(random, ipv4), bits), bits, random() % 2 == 0 ? kAllow : kDeny};
}

// The address before the prefix, its first, one inside, its last, the one behind it.
std::vector<IpAddr> places_of(const AccessRule& rule, std::mt19937& random) {
  IpAddr last = rule.prefix;
  for (unsigned bit = rule.bits + (last.is_ipv4() ? 96u : 0u); bit < 128; ++bit)
    last.bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> bit % 8);
  IpAddr before = rule.prefix, behind = last;
  const size_t end = last.is_ipv4() ? 12 : 0;
  for (size_t i = 16; i-- > end && before.bytes[i]-- == 0;) {
  }
  for (size_t i = 16; i-- > end && ++behind.bytes[i] == 0;) {
  }
  return {before, rule.prefix, random_address(random, last.is_ipv4()), last, behind};
}

TEST(AccessTable_allows, the_same_as_the_list_for_random_rules) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    std::vector<AccessRule> rules;
    for (unsigned i = 0, count = 1 + random() % 60; i < count; ++i) rules.push_back(random_rule(random, random() % 2));
    const AccessAction otherwise = seed % 2 == 0 ? kAllow : kDeny;
    const AccessTable table(otherwise, rules);
    for (const AccessRule& one : rules)
      for (const IpAddr& source : places_of(one, random))
        ASSERT_EQ(table.allows(source), allows_by_the_list(otherwise, rules, source))
            << "seed " << seed << ", " << format_ip(source);
  }
}

// Clustered, so that one bucket holds most of them, and evenly.
TEST(AccessTable_allows, the_same_as_the_list_for_many_rules) {
  for (const bool clustered : {false, true}) {
    std::mt19937 random(7);
    std::vector<AccessRule> rules;
    for (unsigned i = 0; i < 3000; ++i) {
      uint32_t addr = static_cast<uint32_t>(random());
      if (clustered && i != 0) addr = 0x0a000000u | (addr & 0xffffu);
      rules.push_back({IpAddr::from_ipv4(Be32::from_host(addr)), 32, kDeny});
    }
    const AccessTable table(kAllow, rules);
    for (const AccessRule& one : rules)
      for (const IpAddr& source : places_of(one, random))
        ASSERT_EQ(table.allows(source), allows_by_the_list(kAllow, rules, source)) << format_ip(source);
  }
}

TEST(AccessTable, equal_when_every_address_gets_the_same) {
  const AccessTable halves(kAllow, std::vector{rule(kDeny, "10.0.0.0", 9), rule(kDeny, "10.128.0.0", 9)});
  EXPECT_EQ(halves, AccessTable(kAllow, std::vector{rule(kDeny, "10.0.0.0", 8)}));
  EXPECT_NE(halves, AccessTable(kAllow, std::vector{rule(kDeny, "10.0.0.0", 9)}));
  EXPECT_NE(halves, AccessTable(kDeny, std::vector{rule(kAllow, "10.0.0.0", 8)}));
}

TEST(Compile_access, nothing_to_ask_means_no_table) {
  EXPECT_EQ(compile_access(kAllow, {}), nullptr);
  EXPECT_NE(compile_access(kDeny, {}), nullptr);
}

}  // namespace
}  // namespace millrace
