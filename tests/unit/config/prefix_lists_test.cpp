// prefix_lists_test.cpp: access rules and blocklists, in the table and in files of their own.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "controlplane/config/config.h"
#include "millrace/limits.h"

namespace millrace::config {
namespace {

IpAddr ip(const char* text) { return parse_ip(text).value(); }

std::string with_access(const std::string& access) {
  return "[dataplane]\nworkers = \"0\"\n[[dataplane.port]]\nname = \"front\"\ndevice = \"null\"\n"
         "[servers.web]\nbind = \"203.0.113.10:80\"\nmode = \"nat\"\n"
         "discovery = { kind = \"static\", static_list = [\"10.0.0.1:80\"] }\n[servers.web.access]\n" +
         access;
}

std::string write_rules(const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "millrace_rules.txt";
  std::ofstream(path) << text;
  return path.string();
}

TEST(Load_config, access_rules_as_gobetween_writes_them) {
  const LoadResult result = parse_config(
      with_access("default = \"deny\"\n"
                  "rules = [\"deny 10.0.0.1\", \"allow 10.1.2.3/8\", \"allow 2001:db8::/32\", \"deny ::1\"]\n"),
      "access.toml");
  ASSERT_TRUE(result.config.has_value());
  const ServiceConfig& web = result.config->services[0];
  EXPECT_EQ(web.access_default, AccessAction::deny);
  EXPECT_EQ(*web.access_rules, (std::vector<AccessRule>{{ip("10.0.0.1"), 32, AccessAction::deny},
                                                        {ip("10.0.0.0"), 8, AccessAction::allow},
                                                        {ip("2001:db8::"), 32, AccessAction::allow},
                                                        {ip("::1"), 128, AccessAction::deny}}));
  const LoadResult bare = parse_config(with_access(""), "access.toml");
  ASSERT_TRUE(bare.config.has_value());
  EXPECT_EQ(bare.config->services[0].access_default, AccessAction::allow);
  EXPECT_EQ(bare.config->services[0].access_rules, nullptr);
}

TEST(Load_config, a_file_of_access_rules_follows_those_of_the_table) {
  const std::string path = write_rules("# who may not\n\n  deny 192.0.2.0/24 # since May\r\nallow\t::/0");
  const LoadResult result =
      parse_config(with_access("rules_file = \"" + path + "\"\nrules = [\"allow 192.0.2.1\"]\n"), "access.toml");
  ASSERT_TRUE(result.config.has_value()) << format_error(result.errors[0]);
  EXPECT_EQ(*result.config->services[0].access_rules,
            (std::vector<AccessRule>{{ip("192.0.2.1"), 32, AccessAction::allow},
                                     {ip("192.0.2.0"), 24, AccessAction::deny},
                                     {ip("::"), 0, AccessAction::allow}}));
}

TEST(Load_config, mistakes_in_a_file_of_access_rules_name_its_lines) {
  std::string text = "deny 10.0.0.0/8\nrefuse 10.0.0.0/8\ndeny 10.0.0.0/99\n";
  const auto errors = [&] {
    return parse_config(with_access("rules_file = \"" + write_rules(text) + "\"\n"), "access.toml").errors;
  };
  ASSERT_EQ(errors().size(), 2u);
  EXPECT_EQ(errors()[0].key, "servers.web.access.rules_file");
  EXPECT_NE(errors()[0].problem.find("line 2 of "), std::string::npos) << errors()[0].problem;
  EXPECT_NE(errors()[1].problem.find("line 3 of "), std::string::npos) << errors()[1].problem;
  for (unsigned i = 0; i < 100; ++i) text += "nonsense\n";
  EXPECT_EQ(errors().size(), 10u) << "the first ones say it";
}

TEST(Load_config, as_many_access_rules_as_the_limit_says) {
  std::string text;
  for (uint32_t i = 0; i < kAccessRulePerServiceMax; ++i)
    text += "deny " + format_ip(IpAddr::from_ipv4(Be32::from_host(i))) + "\n";
  const auto load = [&] {
    return parse_config(with_access("rules_file = \"" + write_rules(text) + "\"\n"), "access.toml");
  };
  EXPECT_TRUE(load().config.has_value());
  text += "deny ::/0\n";
  ASSERT_EQ(load().errors.size(), 1u);
  EXPECT_EQ(load().errors[0].problem, "has 100001 rules");
}

std::string with_blocklist(const std::string& keys) {
  return "[dataplane]\nworkers = \"0\"\n[[dataplane.port]]\nname = \"front\"\ndevice = \"null\"\n[blocklist]\n" + keys;
}

TEST(Load_config, the_prefixes_of_the_blocklist_and_of_its_file) {
  const std::string path = write_rules("192.0.2.1 # one address\n\n2001:db8:bad::/48\n");
  const LoadResult result = parse_config(
      with_blocklist("file = \"" + path + "\"\nprefixes = [\"203.0.113.0/24\", \"10.1.2.3/8\"]\n"), "blocklist.toml");
  ASSERT_TRUE(result.config.has_value()) << format_error(result.errors[0]);
  EXPECT_EQ(*result.config->blocklist,
            (std::vector<BlockedPrefix>{
                {ip("203.0.113.0"), 24}, {ip("10.0.0.0"), 8}, {ip("192.0.2.1"), 32}, {ip("2001:db8:bad::"), 48}}));
  const LoadResult bare = parse_config(with_blocklist("prefixes = []\n"), "blocklist.toml");
  ASSERT_TRUE(bare.config.has_value());
  EXPECT_EQ(bare.config->blocklist, nullptr);
}

TEST(Load_config, mistakes_in_the_file_of_the_blocklist_name_its_lines) {
  const std::string path = write_rules("192.0.2.0/24\ndeny 192.0.2.0/24\n");
  const LoadResult result = parse_config(with_blocklist("file = \"" + path + "\"\n"), "blocklist.toml");
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(result.errors[0].key, "blocklist.file");
  EXPECT_NE(result.errors[0].problem.find("line 2 of "), std::string::npos) << result.errors[0].problem;
}

TEST(Load_config, as_many_blocked_prefixes_as_the_limit_says) {
  std::string text;
  for (uint32_t i = 0; i < kBlockedPrefixMax; ++i) text += format_ip(IpAddr::from_ipv4(Be32::from_host(i))) + "\n";
  const auto load = [&] {
    return parse_config(with_blocklist("file = \"" + write_rules(text) + "\"\n"), "blocklist.toml");
  };
  EXPECT_TRUE(load().config.has_value());
  text += "2001:db8::/32\n";
  ASSERT_EQ(load().errors.size(), 1u);
  EXPECT_EQ(load().errors[0].problem, "has 100001 prefixes");
}

}  // namespace
}  // namespace millrace::config
