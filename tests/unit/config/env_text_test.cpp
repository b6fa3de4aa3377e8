// env_text_test.cpp: variables of the environment in a configuration's text.
#include "controlplane/config/env_text.h"

#include <gtest/gtest.h>

#include <map>

namespace millrace::config {
namespace {

struct Replaced {
  std::string text;
  std::vector<ConfigError> errors;
};

Replaced replace(const std::string& text) {
  static const std::map<std::string, std::string> kEnvironment = {
      {"VIP", "203.0.113.10"}, {"PORT", "80"}, {"EMPTY", ""}, {"QUOTED", "a\"b"}, {"LINES", "a\nb"}, {"SLASH", "a\\b"}};
  ErrorList errors("f.toml");
  Replaced replaced;
  replaced.text = replace_variables(
      text,
      [](const std::string& name) {
        const auto found = kEnvironment.find(name);
        return found == kEnvironment.end() ? nullptr : found->second.c_str();
      },
      errors);
  replaced.errors = errors.take();
  return replaced;
}

TEST(replace_variables, puts_values_where_names_stand) {
  EXPECT_EQ(replace("bind = \"${VIP}:${PORT}\"\nweight = ${PORT}\n").text, "bind = \"203.0.113.10:80\"\nweight = 80\n");
  EXPECT_EQ(replace("a${EMPTY}b").text, "ab");
  EXPECT_EQ(replace("no variable, $PORT, {PORT}, $").text, "no variable, $PORT, {PORT}, $");
  EXPECT_EQ(replace("").text, "");
}

TEST(replace_variables, two_dollars_are_one) {
  EXPECT_EQ(replace("sni = \"$${VIP} ${PORT}\"").text, "sni = \"${VIP} 80\"");
}

TEST(replace_variables, comments_are_left_alone) {
  const Replaced replaced = replace("a = 1 # ${NOWHERE}\nb = \"#${PORT}\" # ${\nc = '#${PORT}'");
  EXPECT_EQ(replaced.text, "a = 1 # ${NOWHERE}\nb = \"#80\" # ${\nc = '#80'");
  EXPECT_TRUE(replaced.errors.empty());
}

TEST(replace_variables, says_what_cannot_be) {
  const Replaced replaced =
      replace("a = \"${NOWHERE}\"\n\nb = \"${QUOTED}\" ${LINES} ${SLASH}\nc = ${1X} ${}\nd = ${PORT");
  ASSERT_EQ(replaced.errors.size(), 7u);
  EXPECT_EQ(format_error(replaced.errors[0]),
            "f.toml:1:6: the variable NOWHERE is not set (set it in the environment of millraced)");
  EXPECT_EQ(replaced.errors[1].line, 3u);
  EXPECT_NE(replaced.errors[1].problem.find("QUOTED has quotes"), std::string::npos);
  EXPECT_EQ(replaced.errors[4].line, 4u);
  EXPECT_EQ(replaced.errors[6].line, 5u);
  EXPECT_NE(replaced.text.find("${NOWHERE}"), std::string::npos);
}

}  // namespace
}  // namespace millrace::config
