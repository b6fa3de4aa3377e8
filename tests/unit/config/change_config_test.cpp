// change_config_test.cpp: other changes over the same text give what reading everything anew gives.
#include <gtest/gtest.h>

#include <fstream>

#include "controlplane/config/changes.h"
#include "controlplane/config/document.h"

namespace millrace::config {
namespace {

constexpr char kToml[] =
    "[[dataplane.port]]\nname = 'a'\ndevice = 'null'\n"
    "[snat.wide]\naddresses = ['10.9.0.1']\n[snat.lan]\naddresses = ['10.9.0.2']\n"
    "[defaults]\nmax_connections = 7\n"
    "[servers.zeta]\nbind = '203.0.113.10:80'\nsnat = 'wide'\n"
    "[servers.zeta.discovery]\nkind = 'static'\nstatic_list = ['10.0.0.1:80']\n"
    "[servers.alpha]\nbind = '203.0.113.10:81'\nsnat = 'lan'\n"
    "[servers.alpha.discovery]\nkind = 'static'\nstatic_list = ['10.0.0.1:80']\n"
    "[servers.mid]\nbind = '203.0.113.10:82'\nsnat = 'lan'\n"
    "[servers.mid.discovery]\nkind = 'static'\nstatic_list = ['10.0.0.1:80']\n";
constexpr char kJson[] = R"({"dataplane": {"port": [{"name": "a", "device": "null"}]},
 "snat": {"wide": {"addresses": "10.9.0.1"}, "lan": {"addresses": "10.9.0.2"}},
 "defaults": {"max_connections": 7},
 "servers": {
  "zeta": {"bind": "203.0.113.10:80", "snat": "wide", "discovery": {"kind": "static", "static_list": ["10.0.0.1:80"]}},
  "alpha": {"bind": "203.0.113.10:81", "snat": "lan", "discovery": {"kind": "static", "static_list": ["10.0.0.1:80"]}},
  "mid": {"bind": "203.0.113.10:82", "snat": "lan", "discovery": {"kind": "static", "static_list": ["10.0.0.1:80"]}}}})";

toml::table server(int port, const std::string& backend, const std::string& more = "") {
  return toml::parse("bind = '203.0.113.10:" + std::to_string(port) + "'\nsnat = 'lan'\n" + more +
                     "[discovery]\nkind = 'static'\nstatic_list = ['" + backend + "']\n");
}

Config whole(const std::string& text, const Changes& changes = {}) {
  LoadResult loaded = parse_config(text, "test", &changes);
  if (!loaded.config) throw std::runtime_error(format_error(loaded.errors.front()));
  return std::move(*loaded.config);
}

// What a reader of a Config can tell.
std::string shown(const Config& config) {
  std::string text = config.file + " " + config.api.changes_file + " " + config.api.history_dir + "\n";
  for (const SnatPoolConfig& pool : config.snat_pools) text += "pool " + pool.name + "\n";
  for (const ServiceConfig& service : config.services) {
    text += "service " + service.name + " pool " + service.pool + " " + std::to_string(service.connections_max);
    for (const Endpoint& bind : service.binds) text += " " + format_endpoint(bind);
    for (const BackendConfig& backend : service.backends) text += " > " + format_endpoint(backend.endpoint);
    text += "\n";
  }
  text += std::to_string(config.settings.syn_sent_timeout_ms) + "\n";
  const Document& document = *config.document;
  for (const std::string& name : document.in_file) text += "in file " + name + "\n";
  return text + to_toml(document.root) + to_toml(document.settings_in_file) + document.text;
}

class Change_config : public testing::TestWithParam<const char*> {
 protected:
  // Each over what the one before it left.
  void expect_as_whole(const std::vector<Changes>& steps) {
    Config config = whole(GetParam());
    for (const Changes& changes : steps) {
      LoadResult changed = change_config(config, changes);
      ASSERT_TRUE(changed.config) << format_error(changed.errors.front());
      config = std::move(*changed.config);
      EXPECT_EQ(shown(config), shown(whole(GetParam(), changes)));
    }
  }
};
INSTANTIATE_TEST_SUITE_P(, Change_config, testing::Values(kToml, kJson));

TEST_P(Change_config, gives_what_reading_everything_gives) {
  Changes replaced;
  replaced.servers["alpha"] = server(81, "10.0.0.9:80");
  Changes added = replaced;
  added.servers["new"] = server(83, "10.0.0.2:80", "max_connections = 9\n");
  added.servers["also"] = server(84, "10.0.0.2:80");
  Changes removed = added;
  removed.servers["zeta"] = std::nullopt;
  Changes tuned = removed;
  tuned.tuned.insert("timeouts.syn_sent", "5s");
  expect_as_whole({replaced, added, removed, tuned, added, added, Changes{}, replaced});
}

TEST_P(Change_config, takes_a_bind_that_another_server_gave_up) {
  Changes moved;
  moved.servers["alpha"] = server(90, "10.0.0.1:80");
  Changes taken = moved;
  taken.servers["new"] = server(81, "10.0.0.1:80");
  expect_as_whole({moved, taken, moved});
}

TEST_P(Change_config, says_what_is_wrong_and_where_as_reading_everything_does) {
  const Config config = whole(GetParam());
  Changes wrong;
  wrong.servers["new"] = server(82, "10.0.0.2:80", "no_such_key = 1\n");  // the bind of mid
  const LoadResult changed = change_config(config, wrong);
  const LoadResult read = parse_config(GetParam(), "test", &wrong);
  ASSERT_FALSE(changed.config);
  ASSERT_EQ(changed.errors.size(), read.errors.size());
  EXPECT_GE(read.errors.size(), 2u);
  for (size_t i = 0; i < read.errors.size(); ++i)
    EXPECT_EQ(format_error(changed.errors[i]), format_error(read.errors[i]));
}

TEST(Change_config_lists, are_read_again_with_their_server_alone) {
  const std::string path = testing::TempDir() + "change_config_prefixes";
  const auto write = [&](const std::string& text) { std::ofstream(path) << text; };
  write("deny 192.0.2.0/24\n");
  std::string text = kToml;
  for (const std::string name : {"alpha", "mid"})
    text += "[servers." + name + ".access]\nrules_file = '" + path + "'\n";
  const Config config = whole(text);
  write("deny 192.0.2.0/24\ndeny 198.51.100.0/24\n");
  Changes changes;
  changes.servers["mid"] = *config.document->root["servers"]["mid"].as_table();
  changes.servers["mid"]->insert("max_connections", 3);
  const LoadResult changed = change_config(config, changes);
  ASSERT_TRUE(changed.config) << format_error(changed.errors.front());
  EXPECT_EQ(changed.config->services[1].access_rules->size(), 1u);
  EXPECT_EQ(changed.config->services[2].access_rules->size(), 2u);
}

}  // namespace
}  // namespace millrace::config
