#include "dataplane/pick/host_table.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/pick/pick_targets.h"

namespace millrace {
namespace {

// Backend n alone, of IPv4.
HostTable::Targets only(uint16_t n) {
  return {.ipv4 = build_pick_table(Balance::roundrobin, Family::ipv4, candidates({target(n)}))};
}

HostTable::Row row(HostMatching matching, const std::string& text, uint16_t n) {
  const HostPattern::Compiled compiled = HostPattern::compile(matching, text);
  EXPECT_TRUE(compiled.pattern) << text << ": " << compiled.problem;
  return {compiled.pattern, only(n)};
}

// Row n of `texts` leads to backend n.
HostTable table(HostMatching matching, const std::vector<std::string>& texts,
                std::optional<HostTable::Targets> unexpected = std::nullopt) {
  std::vector<HostTable::Row> rows;
  for (uint16_t n = 0; n < texts.size(); ++n) rows.push_back(row(matching, texts[n], n));
  return HostTable(matching, std::move(rows), std::move(unexpected));
}

class HostTable_find : public testing::Test {
 protected:
  // The slot that a name leads to; -1: nobody, -2: no backend at present.
  int find(const HostTable& hosts, std::string_view host, Family family = Family::ipv4) {
    const PickTable* found = hosts.find(host, family, matcher_);
    if (found == nullptr) return -1;
    return found->targets.empty() ? -2 : raw(found->targets[0].slot);
  }
  HostMatcher matcher_;
};

TEST_F(HostTable_find, exact_names) {
  const HostTable hosts = table(HostMatching::exact, {"www.example.com", "api.example.com", "example.com"});
  EXPECT_EQ(find(hosts, "www.example.com"), 0);
  EXPECT_EQ(find(hosts, "api.example.com"), 1);
  EXPECT_EQ(find(hosts, "example.com"), 2);
  for (const char* other : {"", "xample.com", "example.com.", "www.example.co", "www.example.comm"})
    EXPECT_EQ(find(hosts, other), -1) << other;
}

TEST_F(HostTable_find, the_first_expression_that_matches_decides) {
  const HostTable hosts = table(HostMatching::regexp, {"^www\\.", "\\.example\\.com$", "example"});
  EXPECT_EQ(find(hosts, "www.example.com"), 0);
  EXPECT_EQ(find(hosts, "api.example.com"), 1);
  EXPECT_EQ(find(hosts, "example.org"), 2);
  EXPECT_EQ(find(hosts, "other.org"), -1);
}

TEST_F(HostTable_find, unexpected_names_go_where_they_should) {
  for (const HostMatching matching : {HostMatching::exact, HostMatching::regexp}) {
    const HostTable hosts = table(matching, {"www.example.com"}, only(9));
    EXPECT_EQ(find(hosts, "www.example.com"), 0);
    EXPECT_EQ(find(hosts, "other.org"), 9);
    EXPECT_EQ(find(hosts, ""), 9) << "the client named none";
  }
}

TEST_F(HostTable_find, a_missing_name_matches_no_expression) {
  const HostTable hosts = table(HostMatching::regexp, {".*"});
  EXPECT_EQ(find(hosts, "a"), 0);
  EXPECT_EQ(find(hosts, ""), -1);
}

TEST_F(HostTable_find, backends_that_are_down_hand_nobody_over_to_others) {
  std::vector<HostTable::Row> rows = {row(HostMatching::exact, "www.example.com", 0)};
  rows[0].targets = {};
  const HostTable hosts(HostMatching::exact, std::move(rows), only(9));
  EXPECT_EQ(find(hosts, "www.example.com"), -2);
}

TEST_F(HostTable_find, families_are_apart) {
  const HostTable hosts = table(HostMatching::exact, {"www.example.com"}, only(9));
  EXPECT_EQ(find(hosts, "www.example.com", Family::ipv6), -2);
  EXPECT_EQ(find(hosts, "other.org", Family::ipv6), -2);
}

TEST_F(HostTable_find, ends_soon_with_every_pattern_at_its_worst) {
  std::vector<std::string> texts;
  for (uint32_t n = 0; n + 1 < kHostPatternMax; ++n) texts.push_back("(a+)+" + std::to_string(n) + "?$");
  texts.push_back("^a");
  const HostTable hosts = table(HostMatching::regexp, texts);
  const std::string host = std::string(kHostNameBytesMax - 1, 'a') + "-";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(find(hosts, host), static_cast<int>(kHostPatternMax - 1));
  // Some 10 ms where patterns become machine code; the bound is for interpreters under a sanitizer.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace millrace
