// error_text_test.cpp: the words of errors.
#include "controlplane/config/error_text.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

TEST(Format_error, leaves_out_what_is_not_there) {
  EXPECT_EQ(format_error({"f", 3, 7, "a.b", "is wrong", "do right"}), "f:3:7: a.b: is wrong (do right)");
  EXPECT_EQ(format_error({"f", 0, 0, "", "cannot be read", ""}), "f: cannot be read");
  EXPECT_EQ(format_error({"f", 0, 0, "a", "is missing", "add:\n  b"}), "f: a: is missing\n  add:\n  b");
}

TEST(ErrorList_take, sorts_by_place_and_keeps_the_order_of_one_place) {
  ErrorList errors("f");
  EXPECT_TRUE(errors.empty());
  errors.add({{2, 1}, "c"}, "3", "");
  errors.add({{1, 9}, "b"}, "1", "");
  errors.add({{1, 9}, "a"}, "2", "");
  errors.add({{}, "whole"}, "0", "");
  std::string order;
  for (const ConfigError& error : errors.take()) order += error.problem;
  EXPECT_EQ(order, "0123");
  EXPECT_TRUE(errors.empty());
}

TEST(Quote, shows_no_control_characters_and_not_everything) {
  EXPECT_EQ(quote("a b"), "\"a b\"");
  EXPECT_EQ(quote("\x1b[1m\n\xc3\xa4"), "\"\\x1b[1m\\x0a\\xc3\\xa4\"");
  EXPECT_EQ(quote(std::string(100, 'x')), "\"" + std::string(60, 'x') + "...\"");
}

TEST(List_words, reads_as_a_sentence) {
  EXPECT_EQ(list_words({}), "");
  EXPECT_EQ(list_words({"a"}), "a");
  EXPECT_EQ(list_words({"a", "b"}), "a or b");
  EXPECT_EQ(list_words({"a", "b", "c"}), "a, b or c");
}

TEST(Nearest_word, typing_mistakes) {
  const std::vector<std::string_view> known = {"bind", "balance", "backends", "socket", "static_list"};
  const std::pair<const char*, const char*> rows[] = {{"bnd", "bind"},
                                                      {"bidn", "bind"},
                                                      {"balence", "balance"},
                                                      {"blaance", "balance"},
                                                      {"backend", "backends"},
                                                      {"sock", "socket"},
                                                      {"xyz", ""},
                                                      {"", ""},
                                                      {"s", ""},
                                                      {"staticlist", "static_list"},
                                                      {"static_lst", "static_list"}};
  for (const auto& [word, nearest] : rows) EXPECT_EQ(nearest_word(word, known), nearest) << word;
  EXPECT_EQ(nearest_word(std::string(100'000, 'b'), known), "");
}

TEST(Join_key, quotes_what_is_no_bare_key) {
  EXPECT_EQ(join_key("", "a"), "a");
  EXPECT_EQ(join_key("a", "b-1_C"), "a.b-1_C");
  EXPECT_EQ(join_key("a", "b.c"), "a.\"b.c\"");
  EXPECT_EQ(join_key("a", ""), "a.\"\"");
}

}  // namespace
}  // namespace millrace::config
