// toml_depth_test.cpp: which dots count, and that a file within the bound is freed without a deep stack.
#include "controlplane/config/toml_depth.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

const std::string kDeep = "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1";  // 17 dots

TEST(Find_deep_line, counts_dots_of_keys_line_by_line) {
  EXPECT_EQ(find_deep_line(""), std::nullopt);
  EXPECT_EQ(find_deep_line("a.b.c = 1\n[d.e.f]\n"), std::nullopt);
  EXPECT_EQ(find_deep_line(kDeep.substr(2)), std::nullopt);
  EXPECT_EQ(find_deep_line(kDeep), (Position{1, 34}));
  EXPECT_EQ(find_deep_line("x=1\n  " + kDeep), (Position{2, 36}));
}

TEST(Find_deep_line, passes_over_strings_and_comments) {
  const std::string dots(40, '.');
  for (const std::string& text :
       {"a = \"" + dots + "\"\n", "a = '" + dots + "'\n", "# " + dots + "\n", "a = \"\"\"\n" + dots + "\n\"\"\"\n",
        "a = '''\n" + dots + "\n'''\n", "a = \"\\\"" + dots + "\"\n", "a = \"\"\"x\"\"\"\"\"\nb=\"" + dots + "\"\n"})
    EXPECT_EQ(find_deep_line(text), std::nullopt) << text;
}

TEST(Find_deep_line, goes_on_behind_them) {
  for (const std::string& text :
       {"a = \"#\"\n" + kDeep, "a = '\\'\n" + kDeep, "# '\n" + kDeep, "a = \"\"\"\n#\\\"\"\"\" \n" + kDeep,
        "a = '''\n'''''\n" + kDeep, "a = \"unclosed\n" + kDeep, "a = \"\"\n" + kDeep})
    EXPECT_NE(find_deep_line(text), std::nullopt) << text;
  EXPECT_EQ(find_deep_line("a = '''\n\n'''\n" + kDeep)->line, 4u);
  for (const char* text : {"\"", "'", "\"\\", "\"\"\"", "\"\"\"\"", "'''''", "\"\"\"\\"})
    EXPECT_EQ(find_deep_line(text), std::nullopt) << text;
}

TEST(Parse_config, the_deepest_tree_within_the_bound_is_freed) {
  // Each line nests one value deeper by a key of 17 parts; toml++ allows 256 nested values.
  const std::string key = kDeep.substr(2, kDeep.size() - 4);
  std::string text = "[" + key + "]\n" + key + "=";
  std::string tail = "1";
  for (unsigned i = 0; i < 120; ++i) {
    text += "[\n{" + key + "=";
    tail += "}]";
  }
  const LoadResult result = parse_config(text + tail + "\n", "F");
  ASSERT_FALSE(result.errors.empty());
  EXPECT_EQ(result.errors.back().key, "a") << format_error(result.errors.back());
}

TEST(Parse_config, an_endless_key_is_one_error) {
  std::string text = "a";
  for (unsigned i = 0; i < 1'000'000; ++i) text += ".a";
  const LoadResult result = parse_config(text + " = 1\n", "F");
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(result.errors[0].line, 1u);
}

}  // namespace
}  // namespace millrace::config
