// byte_pattern_test.cpp: regular expressions over bytes, and escapes as gobetween writes them.
#include "controlplane/config/byte_pattern.h"

#include <gtest/gtest.h>

#include <chrono>

#include "controlplane/config/config.h"
#include "controlplane/config/escapes.h"

namespace millrace::config {
namespace {

using namespace std::string_literals;

BytePattern compiled(std::string_view text) {
  const BytePattern::Compiled result = BytePattern::compile(text);
  EXPECT_TRUE(result.pattern) << text << ": " << result.problem;
  return result.pattern;
}

TEST(BytePattern_matches, any_part_and_every_byte) {
  EXPECT_TRUE(compiled("^HTTP/1\\.[01] 200").matches("HTTP/1.1 200 OK"));
  EXPECT_FALSE(compiled("^200").matches("HTTP/1.1 200 OK"));
  EXPECT_TRUE(compiled("\\xff\\x00$").matches("a\xff\0"s)) << "bytes, not characters of UTF-8";
  EXPECT_TRUE(compiled("größe").matches("die größe")) << "what is written is found as it is written";
  EXPECT_FALSE(BytePattern().matches("")) << "none";
}

// A backtracking engine needs 2^n steps, a recursive one as much stack as there are bytes.
TEST(BytePattern_matches, time_is_linear_and_stack_is_not_used) {
  const std::string long_text(kAnswerBytesMax, 'a');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(compiled("^(a+)+$").matches(long_text + "!"));
  EXPECT_FALSE(compiled("(a|aa|a*b)*c").matches(long_text));
  EXPECT_FALSE(compiled("(x+x+)+y|(.*)(.*)(.*)(.*)z").matches(long_text));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(BytePattern_compile, says_what_is_wrong) {
  EXPECT_EQ(BytePattern::compile("").problem, "it is empty");
  EXPECT_EQ(BytePattern::compile("(a").problem, "missing ): (a");
  EXPECT_NE(BytePattern::compile("(?=a)").problem, "") << "RE2 and Go have no look-ahead";
  EXPECT_NE(BytePattern::compile("((a{1000}){1000}){1000}").problem, "");
  EXPECT_NE(BytePattern::compile(std::string(kPatternTextBytesMax + 1, 'a')).problem, "");
}

TEST(BytePattern, equal_by_its_text) {
  EXPECT_EQ(compiled("a+"), compiled("a+"));
  EXPECT_NE(compiled("a+"), compiled("a*"));
  EXPECT_NE(compiled("a+"), BytePattern());
}

TEST(Parse_escapes, as_in_a_string_of_go) {
  EXPECT_EQ(parse_escapes(R"(PING\xFF\n)").value, "PING\xFF\n");
  EXPECT_EQ(parse_escapes(R"(\a\b\f\n\r\t\v\\\")").value, "\a\b\f\n\r\t\v\\\"");
  EXPECT_EQ(parse_escapes(R"(\000\377\101)").value, "\0\377A"s);
  EXPECT_EQ(parse_escapes(R"(\u00e9\u20AC\U0001F600)").value, "é€😀");
  EXPECT_EQ(parse_escapes("plain \n \" text").value, "plain \n \" text") << "TOML has taken its own escapes out";
}

TEST(Parse_escapes, refuses_what_is_none) {
  for (const char* text : {"\\", "a\\", "\\q", "\\x", "\\x1", "\\xg1", "\\12", "\\400", "\\8", "\\u12", "\\uD800",
                           "\\U00110000", "\\'", "\\x-1", "\\x+1"})
    EXPECT_FALSE(parse_escapes(text).value) << text;
  EXPECT_NE(parse_escapes("ab\\qcd").problem.find("\\qcd"), std::string::npos) << parse_escapes("ab\\qcd").problem;
}

}  // namespace
}  // namespace millrace::config
