// json_text_test.cpp: configurations in JSON: the same tree, places of what is wrong, and texts that are none.
#include "controlplane/config/json_text.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

constexpr char kWhole[] = R"({
  "dataplane": {"workers": "0", "port": [{"name": "front", "device": "null"}]},
  "snat": {"lan": {"addresses": ["10.72.0.10"]}},
  "servers": {
    "web": {
      "bind": "203.0.113.10:80",
      "max_connections": null,
      "balance": "roundrobin",
      "discovery": {"kind": "static", "static_list": ["10.0.0.1:80 weight=5",
                                                       "10.0.0.2:80"]}
    }
  }
})";

TEST(parse_json, makes_the_tree_of_toml) {
  const JsonText json = parse_json(R"({"a": 1, "b": [true, -2, 0.5, "x"], "c": {"d": null}})");
  ASSERT_TRUE(json.root) << json.problem;
  const toml::table& root = *json.root;
  EXPECT_EQ(root["a"].value<int64_t>(), 1);
  EXPECT_EQ(root["b"][0].value<bool>(), true);
  EXPECT_EQ(root["b"][1].value<int64_t>(), -2);
  EXPECT_EQ(root["b"][2].value<double>(), 0.5);
  EXPECT_EQ(root["b"][3].value<std::string>(), "x");
  ASSERT_TRUE(root["c"].is_table());
  EXPECT_TRUE(root["c"].as_table()->empty()) << "null is not set";
}

TEST(parse_json, knows_where_values_stand) {
  const JsonText json = parse_json(kWhole);
  ASSERT_TRUE(json.root) << json.problem;
  EXPECT_EQ(json.positions.at("dataplane"), (Position{2, 16}));
  EXPECT_EQ(json.positions.at("dataplane.port[0].device"), (Position{2, 70}));
  EXPECT_EQ(json.positions.at("servers.web.bind"), (Position{6, 15}));
  EXPECT_EQ(json.positions.at("servers.web.discovery.static_list[1]"), (Position{10, 56}));
}

TEST(parse_json, refuses_with_the_place) {
  const auto refused = [](const std::string& text) {
    const JsonText json = parse_json(text);
    EXPECT_FALSE(json.root) << text;
    return std::to_string(json.failed_at.line) + " " + json.problem;
  };
  EXPECT_EQ(refused("{\n\"a\": 1,\n\"a\": 2}").substr(0, 32), "3 the key \"a\" comes twice");
  EXPECT_EQ(refused("[1]"), "1 is no object");
  EXPECT_EQ(refused("null"), "1 is no object");
  EXPECT_EQ(refused("17"), "1 is no object");
  EXPECT_EQ(refused("{\"a\": 18446744073709551615}"), "1 is too large a number");
  EXPECT_EQ(refused("{\n\"a\": \n").substr(0, 10), "3 not JSON");
  EXPECT_EQ(refused("{} {}").substr(0, 10), "1 not JSON");
  EXPECT_EQ(refused("").substr(0, 10), "1 not JSON");
  EXPECT_EQ(refused("{\"a\":" + std::string(100'000, '[')), "1 values nest too deep");
}

TEST(looks_like_json, by_the_first_brace) {
  EXPECT_TRUE(looks_like_json(" \r\n\t{}"));
  EXPECT_FALSE(looks_like_json(""));
  EXPECT_FALSE(looks_like_json("# {"));
  EXPECT_FALSE(looks_like_json("[servers]"));
}

TEST(parse_config, takes_json) {
  const LoadResult loaded = parse_config(kWhole, "c.json");
  for (const ConfigError& error : loaded.errors) ADD_FAILURE() << format_error(error);
  ASSERT_TRUE(loaded.config);
  ASSERT_EQ(loaded.config->services.size(), 1u);
  EXPECT_EQ(loaded.config->services[0].backends.size(), 2u);
  EXPECT_EQ(loaded.config->services[0].backends[0].weight, 5);
}

TEST(parse_config, names_the_place_of_mistakes_in_json) {
  std::string text = kWhole;
  text.replace(text.find("roundrobin"), 10, "squarerobin");
  text.replace(text.find("10.0.0.2:80"), 11, "10.0.0.2:0");
  text.replace(text.find("\"kind\""), 6, "\"kinds\"");
  const LoadResult loaded = parse_config(text, "c.json");
  ASSERT_GE(loaded.errors.size(), 3u);
  EXPECT_EQ(loaded.errors[0].line, 8u);
  EXPECT_EQ(loaded.errors[0].column, 18u);
  EXPECT_EQ(loaded.errors[0].key, "servers.web.balance");
  EXPECT_EQ(loaded.errors[1].line, 9u);
  EXPECT_EQ(loaded.errors.back().line, 10u);
  EXPECT_EQ(loaded.errors.back().key, "servers.web.discovery.static_list[1]");
}

}  // namespace
}  // namespace millrace::config
