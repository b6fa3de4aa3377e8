// changes_test.cpp: settings that were tuned, over the file, and the file that keeps them.
#include "controlplane/config/changes.h"

#include <gtest/gtest.h>

#include "controlplane/config/document.h"

namespace millrace::config {
namespace {

constexpr char kPort[] = "[[dataplane.port]]\nname = 'a'\ndevice = 'null'\n[snat.lan]\naddresses = ['10.9.0.1']\n";
// No address of a host: with automatic ports every load says that there are none.
constexpr char kServer[] =
    "[servers.web]\nbind = '203.0.113.10:80'\n[servers.web.discovery]\nkind = 'static'\n"
    "static_list = ['10.0.0.1:80']\n[snat.lan]\naddresses = ['10.9.0.1']\n";

Changes tuned(const std::string& text) {
  ChangesFile file = parse_changes("[tuned]\n" + text, "test.changes");
  EXPECT_TRUE(file.changes) << format_error(file.error);
  return file.changes.value_or(Changes{});
}

LoadResult load(const std::string& text, const Changes& changes) { return parse_config(text, "test.toml", &changes); }

std::string error_of(const LoadResult& loaded, const std::string& key) {
  for (const ConfigError& error : loaded.errors)
    if (error.key == key) return format_error(error);
  return "";
}

TEST(Changes_tuned, lie_over_the_file) {
  const std::string text = std::string(kPort) + "[timeouts]\nsyn_sent = '20s'\nclosed = '9s'\n";
  const LoadResult loaded = load(text, tuned("'timeouts.syn_sent' = '5s'\n'dataplane.burst' = 16\n"));
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->settings.syn_sent_timeout_ms, 5'000u);
  EXPECT_EQ(loaded.config->settings.closed_timeout_ms, 9'000u) << "what is not tuned stays";
  EXPECT_EQ(loaded.config->settings.burst_packets, 16);
  const Document& document = *loaded.config->document;
  EXPECT_EQ(document.settings_in_file["timeouts.syn_sent"].value<std::string>(), "20s");
  EXPECT_FALSE(document.settings_in_file.contains("dataplane.burst"));
  EXPECT_EQ(document.root["timeouts"]["syn_sent"].value<std::string>(), "5s");
  EXPECT_EQ(document.text, text);
}

TEST(Changes_tuned, make_the_table_that_the_file_has_not) {
  const LoadResult loaded = load(kPort, tuned("'timeouts.syn_sent' = '5s'\n'logging.level' = 'warn'\n"));
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->settings.syn_sent_timeout_ms, 5'000u);
  EXPECT_EQ(loaded.config->logging.level, LogLevel::warn);
}

TEST(Changes_tuned, lie_over_a_file_in_json) {
  const LoadResult loaded = load(
      R"({"dataplane": {"burst": 8, "port": [{"name": "a", "device": "null"}]}, "snat": {"lan": {"addresses": "10.9.0.1"}}})",
      tuned("'dataplane.burst' = 16\n'dataplane.idle' = 'adaptive'\n"));
  ASSERT_TRUE(loaded.config) << format_error(loaded.errors.front());
  EXPECT_EQ(loaded.config->settings.burst_packets, 16);
  EXPECT_EQ(loaded.config->settings.idle, IdlePolicy::adaptive);
}

TEST(Changes_tuned, leave_automatic_ports_automatic) {
  const Changes changes = tuned("'dataplane.burst' = 16\n'dataplane.idle' = 'busy'\n");
  toml::table root = toml::parse(std::string_view(kServer));
  changes.apply(root);
  EXPECT_FALSE(root.contains("dataplane"));
  // Where this host leads to the addresses is not known here: the only thing that may be wrong is that.
  const LoadResult loaded = load(kServer, changes);
  EXPECT_EQ(error_of(loaded, "dataplane.port"), "");
  if (loaded.config) {
    EXPECT_EQ(loaded.config->settings.burst_packets, 16);
    EXPECT_EQ(loaded.config->settings.idle, IdlePolicy::busy);
    EXPECT_EQ(loaded.config->dataplane.workers, std::vector<unsigned>{0});
  }
  EXPECT_NE(error_of(load(kServer, tuned("'dataplane.burst' = 65\n")), "dataplane.burst"), "")
      << "and are checked like the others";
}

TEST(Changes_tuned, of_a_flow_log_wait_for_one) {
  const Changes changes = tuned("'flow_log.rate' = 5\n");
  const LoadResult without = load(kPort, changes);
  ASSERT_TRUE(without.config) << "a start must not fail for it";
  EXPECT_EQ(without.config->flow_log, FlowLogConfig{});
  const LoadResult loaded = load(std::string(kPort) + "[flow_log]\noutput = 'stdout'\n", changes);
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->flow_log.lines_a_second, 5u);
}

TEST(Changes_tuned, are_refused_by_the_reader_of_their_table) {
  EXPECT_EQ(error_of(load(kPort, tuned("'timeouts.syn_sent' = '0s'\n")), "timeouts.syn_sent"),
            "test.toml: timeouts.syn_sent: \"0s\" is out of range (write a duration from 1s to 7d)");
  EXPECT_NE(error_of(load("timeouts = 1\n" + std::string(kPort), tuned("'timeouts.syn_sent' = '5s'\n")), "timeouts"),
            "");
  // Two workers of one CPU: good alone, and not with this.
  const std::string shared = "[dataplane]\nidle = 'adaptive'\nworkers = [0, 0]\n" + std::string(kPort);
  ASSERT_TRUE(load(shared, {}).config);
  EXPECT_NE(error_of(load(shared, tuned("'dataplane.idle' = 'busy'\n")), "dataplane.workers"), "");
}

TEST(Changes_tuned, are_kept_and_read_back) {
  Changes changes = tuned("'timeouts.syn_sent' = '5s'\n'dataplane.burst' = 16\n");
  changes.servers["web"] = std::nullopt;
  const std::string text = format_changes(changes);
  EXPECT_NE(text.find("[tuned]"), std::string::npos);
  const ChangesFile back = parse_changes(text, "test.changes");
  ASSERT_TRUE(back.changes);
  EXPECT_EQ(back.changes->tuned, changes.tuned);
  EXPECT_EQ(back.changes->tuned.size(), 2u);
  EXPECT_TRUE(back.changes->servers.contains("web"));
  EXPECT_FALSE(tuned("'dataplane.burst' = 16\n").empty());
}

TEST(Changes_tuned, that_cannot_be_are_refused_by_the_file_of_changes) {
  for (const char* text :
       {"[tuned]\n'api.socket' = '/tmp/x'\n", "tuned = 1\n", "[tuned]\ntimeouts.syn_sent = '5s'\n"}) {
    const ChangesFile file = parse_changes(text, "test.changes");
    EXPECT_FALSE(file.changes) << text;
    EXPECT_NE(format_error(file.error).find("remove the file"), std::string::npos);
  }
}

}  // namespace
}  // namespace millrace::config
