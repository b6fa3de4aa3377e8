// backend_text_test.cpp: what sources say, as backends: lines, and lists of JSON objects.
#include "controlplane/discovery/backend_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/control/asking.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(parse_lines, gobetween_format) {
  const Answer answer = parse_lines(
      "10.0.0.1:80 weight=5 priority=2 max_connections=100 sni=www.example.com\n"
      "10.0.0.2:81\n");
  EXPECT_EQ(answer.problem, "");
  EXPECT_THAT(answer.left_out, IsEmpty());
  ASSERT_EQ(answer.backends.size(), 2u);
  EXPECT_EQ(answer.backends[0], (config::BackendConfig{.endpoint = endpoint("10.0.0.1:80"),
                                                       .weight = 5,
                                                       .priority = 2,
                                                       .connections_max = 100,
                                                       .host = "www.example.com"}));
  EXPECT_EQ(answer.backends[1], config::BackendConfig{.endpoint = endpoint("10.0.0.2:81")});
}

TEST(parse_lines, blank_lines_comments_and_carriage_returns_say_nothing) {
  EXPECT_THAT(endpoints(parse_lines("# web\r\n\r\n  10.0.0.1:80\t\r\n\n[fd00::1]:80")),
              ElementsAre("10.0.0.1:80", "[fd00::1]:80"));
}

TEST(parse_lines, no_lines_are_no_backends) {
  EXPECT_EQ(parse_lines("").problem, "");
  EXPECT_THAT(parse_lines("\n\n").backends, IsEmpty());
}

TEST(parse_lines, bad_lines_are_left_out_by_number) {
  const Answer answer = parse_lines("10.0.0.1:80\nlocalhost:80\n127.0.0.1:80\n10.0.0.2:0\n10.0.0.3:80 weight=257\n");
  EXPECT_THAT(endpoints(answer), ElementsAre("10.0.0.1:80"));
  EXPECT_THAT(answer.left_out,
              ElementsAre(HasSubstr("line 2: "), HasSubstr("line 3: \"127.0.0.1:80\" is on the loopback"),
                          HasSubstr("line 4: "), HasSubstr("line 5: \"weight=257\" is out of range")));
}

TEST(parse_lines, a_page_without_any_backend_is_no_answer) {
  const Answer answer = parse_lines("<html>\n<body>502 Bad Gateway</body>\n</html>\n");
  EXPECT_THAT(answer.problem, HasSubstr("none of its 3 lines is a backend: line 1: "));
  EXPECT_THAT(answer.left_out, IsEmpty());
}

TEST(parse_lines, complaints_are_bounded) {
  std::string text = "10.0.0.1:80\n";
  for (int i = 0; i < 100; ++i) text += "x\n";
  const Answer answer = parse_lines(text);
  EXPECT_EQ(answer.left_out.size(), kComplaintMax + 1);
  EXPECT_EQ(answer.left_out.back(), "and 84 more lines");
}

TEST(parse_lines, entries_are_bounded) {
  std::string text;
  for (size_t i = 0; i <= kEntryMax; ++i) text += "10.0.0.1:80\n";
  EXPECT_EQ(parse_lines(text).problem, "it has more than 16384 entries");
}

TEST(parse_lines, long_lines_are_left_out) {
  const Answer answer = parse_lines("10.0.0.1:80\n10.0.0.2:80 sni=" + std::string(kEntryBytesMax, 'a') + "\n");
  EXPECT_THAT(endpoints(answer), ElementsAre("10.0.0.1:80"));
  EXPECT_EQ(answer.left_out.size(), 1u);
}

TEST(parse_parts, bare_ipv6) {
  EXPECT_EQ(parse_parts({.host = "fd00::1", .port = "80"}).value->endpoint, endpoint("[fd00::1]:80"));
  EXPECT_EQ(parse_parts({.host = "[fd00::1]", .port = "80"}).value->endpoint, endpoint("[fd00::1]:80"));
}

TEST(parse_parts, missing_and_smuggled) {
  EXPECT_EQ(parse_parts({.port = "80"}).problem, "it has no host");
  EXPECT_EQ(parse_parts({.host = "10.0.0.1"}).problem, "it has no port");
  EXPECT_THAT(parse_parts({.host = "10.0.0.1", .port = "80 weight=9"}).problem, HasSubstr("blanks"));
  EXPECT_FALSE(parse_parts({.host = "web.example.com", .port = "80"}).value);
}

Answer parse_list(std::string_view text, const config::JsonPatterns& patterns = {}) {
  return parse_json_list(text, patterns);
}

TEST(parse_json_list, default_keys_with_numbers_and_strings) {
  const Answer answer = parse_list(R"([{"host": "10.0.0.1", "port": 80, "weight": "7", "priority": 1.0,
                                        "max_connections": 9, "sni": "a.example", "more": {}},
                                       {"host": "fd00::1", "port": "8080"}])");
  ASSERT_EQ(answer.problem, "");
  ASSERT_EQ(answer.backends.size(), 2u);
  EXPECT_EQ(
      answer.backends[0],
      (config::BackendConfig{
          .endpoint = endpoint("10.0.0.1:80"), .weight = 7, .priority = 1, .connections_max = 9, .host = "a.example"}));
  EXPECT_EQ(answer.backends[1], config::BackendConfig{.endpoint = endpoint("[fd00::1]:8080")});
}

TEST(parse_json_list, six_patterns) {
  const config::JsonPatterns patterns{.host = "net.[0].addr",
                                      .port = "ports.'http.main'",
                                      .weight = "w",
                                      .priority = "meta.prio",
                                      .max_connections = "meta.max",
                                      .sni = "meta.name"};
  const Answer answer = parse_list(
      R"([{"net": [{"addr": "10.0.0.1"}, {"addr": "10.0.0.9"}], "ports": {"http.main": 80}, "w": 3,
           "meta": {"prio": 2, "max": 5, "name": "b.example"}}])",
      patterns);
  ASSERT_EQ(answer.problem, "");
  EXPECT_THAT(
      answer.backends,
      ElementsAre(config::BackendConfig{
          .endpoint = endpoint("10.0.0.1:80"), .weight = 3, .priority = 2, .connections_max = 5, .host = "b.example"}));
}

TEST(parse_json_list, entries_of_other_kinds_are_left_out) {
  const Answer answer =
      parse_list(R"([1, null, [], {}, {"host": ["10.0.0.9"], "port": 1}, {"host": "10.0.0.1", "port": 80},
                                       {"host": "10.0.0.2", "port": 1.5}, {"host": "10.0.0.2", "port": 65536}])");
  EXPECT_THAT(endpoints(answer), ElementsAre("10.0.0.1:80"));
  EXPECT_EQ(answer.left_out.size(), 7u);
  EXPECT_EQ(answer.left_out.front(), "entry 1: it has no host");
}

TEST(parse_json_list, what_is_no_list_is_no_answer) {
  EXPECT_EQ(parse_list("").problem, "it is no JSON, or not all of it");
  EXPECT_EQ(parse_list(R"([{"host": "10.0.0.1", "port": 80},)").problem, "it is no JSON, or not all of it");
  EXPECT_EQ(parse_list("{}").problem, "its JSON is object, not a list");
  EXPECT_THAT(parse_list(R"([{"name": "x"}])").problem, HasSubstr("none of its 1 entries is a backend"));
  EXPECT_EQ(parse_list("[]").problem, "");
}

TEST(parse_json_list, depth_is_bounded) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(parse_list(deep).problem, "its JSON is more than 32 deep");
  EXPECT_EQ(parse_list(deep + std::string(100'000, ']')).problem, "its JSON is more than 32 deep");
}

TEST(parse_json_list, huge_numbers_are_no_numbers) {
  EXPECT_NE(parse_list(R"([{"host": "10.0.0.1", "port": 1e300}])").problem, "");
  EXPECT_NE(parse_list(R"([{"host": "10.0.0.1", "port": 99999999999999999999999}])").problem, "");
}

}  // namespace
}  // namespace millrace::control
