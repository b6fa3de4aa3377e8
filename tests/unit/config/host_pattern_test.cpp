#include "controlplane/config/host_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace millrace {
namespace {

using testing::HasSubstr;

HostPattern::Compiled regexp(const std::string& text) { return HostPattern::compile(HostMatching::regexp, text); }
HostPattern::Compiled exact(const std::string& text) { return HostPattern::compile(HostMatching::exact, text); }

bool matches(const std::string& text, const std::string& host) {
  const HostPattern::Compiled compiled = regexp(text);
  EXPECT_TRUE(compiled.pattern) << text << ": " << compiled.problem;
  HostMatcher matcher;
  return compiled.pattern && compiled.pattern->matches(host, matcher);
}

TEST(HostPattern_compile, takes_names_in_lower_case) {
  for (const std::string& name : {std::string("www.example.com"), std::string("a"), std::string("_x-1.y"),
                                  std::string(kHostPatternBytes - 1, 'a')}) {
    const HostPattern::Compiled compiled = exact(name);
    ASSERT_TRUE(compiled.pattern) << name;
    EXPECT_EQ(compiled.pattern->text(), name);
  }
}

TEST(HostPattern_compile, refuses_what_is_no_name) {
  EXPECT_EQ(exact("").problem, "it is empty");
  EXPECT_THAT(exact(std::string(kHostPatternBytes, 'a')).problem, HasSubstr("at most 235"));
  for (const char* name : {"www.Example.com", "www.*xample.com", "www.\nxample", "www.\xc3\xa4.com"}) {
    const HostPattern::Compiled compiled = exact(name);
    EXPECT_FALSE(compiled.pattern) << name;
    EXPECT_EQ(compiled.offset, 4u) << name;
    EXPECT_THAT(compiled.problem, HasSubstr("letters")) << name;
  }
}

TEST(HostPattern_compile, refuses_expressions_with_reason_and_place) {
  const HostPattern::Compiled open = regexp("www.(a|b");
  EXPECT_FALSE(open.pattern);
  EXPECT_EQ(open.problem, "missing closing parenthesis");
  EXPECT_EQ(open.offset, 8u);
  EXPECT_EQ(regexp("a+[b").offset, 4u);
  EXPECT_THAT(regexp("a\tb").problem, HasSubstr("printable"));
  EXPECT_THAT(regexp(std::string(kHostPatternBytes, 'a')).problem, HasSubstr("at most 235"));
  EXPECT_EQ(regexp("").problem, "it is empty");
}

TEST(HostPattern_compile, refuses_what_would_leave_ascii_or_its_bounds) {
  for (const char* text : {"(*UTF)a", "(*UCP)a", "a\\C", "((a{1,250}){1,250}){1,250}", "((a{1,200}){1,200}b){3}"})
    EXPECT_FALSE(regexp(text).pattern) << text;
}

TEST(HostPattern_matches, a_name_as_a_whole) {
  HostMatcher matcher;
  const auto name = exact("www.example.com").pattern;
  EXPECT_TRUE(name->matches("www.example.com", matcher));
  EXPECT_FALSE(name->matches("www.example.com.", matcher));
  EXPECT_FALSE(name->matches("wwwxexample.com", matcher));
  EXPECT_FALSE(name->matches("", matcher));
}

TEST(HostPattern_matches, any_part_unless_anchored) {
  EXPECT_TRUE(matches("example", "www.example.com"));
  EXPECT_FALSE(matches("^example", "www.example.com"));
  EXPECT_TRUE(matches("example\\.com$", "www.example.com"));
  EXPECT_FALSE(matches("example$", "example\n")) << "$ is the end, not the last line's";
  EXPECT_TRUE(matches("^(?P<a>www|api)\\.(.*\\.)?example\\.(com|org)$", "api.eu.example.org"));
  EXPECT_FALSE(matches("^(?P<a>www|api)\\.(.*\\.)?example\\.(com|org)$", "api.eu.example.net"));
}

TEST(HostPattern_matches, whatever_the_case) {
  EXPECT_TRUE(matches("^WWW\\.[A-Z]+$", "www.example"));
  EXPECT_TRUE(matches("^www\\.[a-z]+$", "WWW.EXAMPLE"));
}

TEST(HostPattern_matches, no_name_that_cannot_be_one) {
  EXPECT_TRUE(matches("^a+$", std::string(kHostNameBytesMax, 'a')));
  EXPECT_FALSE(matches("^a+$", std::string(kHostNameBytesMax + 1, 'a')));
}

// (*NO_JIT): as on a host that forbids machine code made at run time.
TEST(HostPattern_matches, a_pattern_that_needs_forever_ends_and_does_not_match) {
  const std::string host = std::string(kHostNameBytesMax - 1, 'a') + "-";
  for (const char* text :
       {"(a+)+$", "(*NO_JIT)(a+)+$", "(a|aa)+$", "(*NO_JIT)(a|aa)+$", "[a-y]*[a-y]*[a-y]*[!?]",
        "(*NO_JIT)[a-y]*[a-y]*[a-y]*[!?]", "(*LIMIT_MATCH=4000000000)(a+)+$", "(?R)?a+[!?]", "(*NO_JIT)(?R)?a+[!?]"}) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(matches(text, host)) << text;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1)) << text;
  }
}

TEST(HostPattern_matches, goes_on_after_one_that_hit_its_limits) {
  HostMatcher matcher;
  const std::string host = std::string(kHostNameBytesMax - 1, 'a') + "-";
  for (const char* mode : {"", "(*NO_JIT)"}) {
    const auto hard = regexp(mode + std::string("(a+)+$")).pattern;
    const auto soft = regexp(mode + std::string("^(a[a-z]*)+-$")).pattern;
    const auto groups = regexp(mode + std::string("((((((((((a))))))))))-")).pattern;
    for (int round = 0; round < 3; ++round) {
      EXPECT_FALSE(hard->matches(host, matcher));
      EXPECT_TRUE(soft->matches(host, matcher));
      EXPECT_TRUE(groups->matches(host, matcher));
    }
  }
}

TEST(HostPattern_matches, for_several_threads_at_once) {
  const auto pattern = regexp("^[a-z]+\\.example\\.com$").pattern;
  std::vector<std::thread> threads;
  std::vector<int> counts(4);
  for (int& count : counts)
    threads.emplace_back([&pattern, &count] {
      HostMatcher matcher;
      for (int i = 0; i < 2000; ++i)
        count += pattern->matches(i % 2 == 0 ? "www.example.com" : "www.example.org", matcher);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counts, (std::vector<int>(4, 1000)));
}

}  // namespace
}  // namespace millrace
