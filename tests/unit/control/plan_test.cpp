// plan_test.cpp: what a change of the configuration would do, from two texts: differences, connections, places that move.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/config/document.h"
#include "controlplane/state/plan.h"
#include "controlplane/state/restart_notices.h"
#include "controlplane/state/slots_moved.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kHead[] =
    "[dataplane]\nworkers = \"0\"\n[[dataplane.port]]\nname = \"front\"\ndevice = \"null\"\n"
    "[snat.lan]\naddresses = [\"10.9.0.1-10.9.0.4\"]\n";

std::string server(const std::string& name, const std::string& keys, const std::string& backends) {
  return "[servers." + name + "]\n" + keys + "\n[servers." + name + ".discovery]\nkind = \"static\"\nstatic_list = [" +
         backends + "]\n";
}

const std::string kWebKeys = "bind = \"203.0.113.10:80\"\nbalance = \"maglev\"";
const std::string kDnsKeys = "bind = \"203.0.113.10:53\"\nprotocol = \"udp\"\nmode = \"nat\"";

struct Side {
  config::Config config;
  DesiredState state;

  explicit Side(const std::string& text, const HealthTable& health = {}) {
    config::LoadResult loaded = config::parse_config(kHead + text, "plan.toml");
    for (const config::ConfigError& error : loaded.errors) ADD_FAILURE() << config::format_error(error);
    config = loaded.config.value_or(config::Config{});
    state = compute_desired_state(config, {}, health);
  }
};

Plan plan(const Side& from, const Side& to, const OpenConnections& open = {}) {
  return make_plan({from.config, from.state}, {to.config, to.state}, open);
}

TEST(make_plan, of_the_same_configuration_is_empty) {
  const Side was(server("web", kWebKeys, "\"10.0.0.1:80\", \"10.0.0.2:80\""));
  const Side is("# with a comment\n" +
                server("web", "balance = \"maglev\"\nbind = '203.0.113.10:80'", "\"10.0.0.1:80\",\"10.0.0.2:80\""));
  const Plan same = plan(was, is, {{BackendKey("web", endpoint("10.0.0.1:80")), 7}});
  EXPECT_FALSE(same.differs());
  EXPECT_EQ(same.connections, (Fate{.kept = 7}));
}

TEST(make_plan, names_services_that_come_and_go) {
  const Side was(server("web", kWebKeys, "\"10.0.0.1:80\""));
  const Side is(server("dns", kDnsKeys, "\"10.0.0.3:53\""));
  const Plan both = plan(was, is, {{BackendKey("web", endpoint("10.0.0.1:80")), 7}});
  ASSERT_EQ(both.services.size(), 2u);
  EXPECT_EQ(both.services[0].name, "dns");
  EXPECT_EQ(both.services[0].difference, Difference::added);
  EXPECT_EQ(both.services[0].backends.size(), 1u);
  EXPECT_EQ(both.services[1].name, "web");
  EXPECT_EQ(both.services[1].difference, Difference::removed);
  EXPECT_EQ(both.connections, (Fate{.drained = 7}));
}

TEST(make_plan, says_what_of_backends_differs_and_who_keeps_connections) {
  const Side was(server("web", kWebKeys, "\"10.0.0.1:80\", \"10.0.0.2:80 weight=2\", \"10.0.0.3:80\""));
  const Side is(server("web", kWebKeys, "\"10.0.0.2:80 weight=5 priority=1\", \"10.0.0.3:80\", \"10.0.0.4:80\""));
  const Plan changed = plan(was, is,
                            {{BackendKey("web", endpoint("10.0.0.1:80")), 3},
                             {BackendKey("web", endpoint("10.0.0.2:80")), 20},
                             {BackendKey("web", endpoint("10.0.0.3:80")), 100}});
  ASSERT_EQ(changed.services.size(), 1u);
  const PlannedService& web = changed.services[0];
  EXPECT_THAT(web.settings, IsEmpty()) << "the list itself says nothing that its backends do not";
  ASSERT_EQ(web.backends.size(), 3u);
  EXPECT_EQ(web.backends[0].endpoint, endpoint("10.0.0.1:80"));
  EXPECT_EQ(web.backends[0].difference, Difference::removed);
  EXPECT_EQ(web.backends[0].active, 3u);
  EXPECT_EQ(web.backends[1].endpoint, endpoint("10.0.0.2:80"));
  EXPECT_THAT(web.backends[1].settings,
              ElementsAre(SettingChange{"weight", "2", "5"}, SettingChange{"priority", "0", "1"}));
  EXPECT_EQ(web.backends[2].endpoint, endpoint("10.0.0.4:80"));
  EXPECT_EQ(web.backends[2].difference, Difference::added);
  EXPECT_EQ(web.connections, (Fate{.kept = 120, .drained = 3}));
}

TEST(make_plan, tells_settings_in_the_words_of_the_file) {
  const Side was(server("web", kWebKeys, "\"10.0.0.1:80\"") +
                 "[servers.web.healthcheck]\nkind = \"ping\"\ninterval = \"2s\"\n[timeouts]\nfin_wait = \"60s\"\n");
  const Side is(server("web", "bind = \"203.0.113.10:80\"\nbalance = \"weight\"", "\"10.0.0.1:80\"") +
                "[servers.web.healthcheck]\nkind = \"ping\"\ninterval = \"5s\"\ntimeout = \"1s\"\n");
  const Plan changed = plan(was, is);
  ASSERT_EQ(changed.services.size(), 1u);
  EXPECT_THAT(changed.services[0].settings, ElementsAre(SettingChange{"balance", "\"maglev\"", "\"weight\""},
                                                        SettingChange{"healthcheck.interval", "\"2s\"", "\"5s\""},
                                                        SettingChange{"healthcheck.timeout", "", "\"1s\""}));
  EXPECT_THAT(changed.settings, ElementsAre(SettingChange{"timeouts.fin_wait", "\"60s\"", ""}));
}

TEST(make_plan, an_order_of_backends_is_a_setting) {
  const Side was(server("web", kWebKeys, "\"10.0.0.1:80\", \"10.0.0.2:80\""));
  const Side is(server("web", kWebKeys, "\"10.0.0.2:80\", \"10.0.0.1:80\""));
  const Plan changed = plan(was, is);
  ASSERT_EQ(changed.services.size(), 1u);
  EXPECT_THAT(changed.services[0].backends, IsEmpty());
  EXPECT_EQ(changed.services[0].settings.size(), 1u);
}

// As the dataplane does: a TCP connection stays, nobody else knows it.
TEST(make_plan, udp_sessions_leave_a_backend_that_starts_anew_as_down) {
  const std::string check =
      "[servers.dns.healthcheck]\nkind = \"probe\"\nprobe_protocol = \"udp\"\nprobe_send = \"x\"\n"
      "probe_recv = \"y\"\ninitial_status = \"unhealthy\"\n";
  const Side was(server("dns", kDnsKeys, "\"10.0.0.3:53\""));
  const Side is(server("dns", kDnsKeys, "\"10.0.0.3:53\"") + check);
  const OpenConnections open = {{BackendKey("dns", endpoint("10.0.0.3:53")), 9}};
  EXPECT_EQ(plan(was, is, open).connections, (Fate{.moved = 9}));
  EXPECT_EQ(plan(is, is, open).connections, (Fate{.kept = 9})) << "those have left before";
}

TEST(make_plan, says_that_backends_of_a_new_source_are_not_known) {
  const Side was(server("web", kWebKeys, "\"10.0.0.1:80\""));
  const Side is("[servers.web]\n" + kWebKeys +
                "\n[servers.web.discovery]\nkind = \"exec\"\nexec_command = [\"/bin/true\"]\n");
  const Plan changed = plan(was, is);
  ASSERT_EQ(changed.services.size(), 1u);
  EXPECT_TRUE(changed.services[0].backends_unknown);
}

TEST(setting_changes, show_no_secrets) {
  const toml::table was =
      toml::parse("[api.basic_auth]\nlogin = 'a'\npassword = 'one'\n[[api.token]]\ntoken = 'first'");
  const toml::table is =
      toml::parse("[api.basic_auth]\nlogin = 'b'\npassword = 'two'\n[[api.token]]\ntoken = 'second'");
  EXPECT_THAT(setting_changes(was, is), ElementsAre(SettingChange{"api.basic_auth.login", "\"a\"", "\"b\""},
                                                    SettingChange{"api.basic_auth.password", "***", "***"},
                                                    SettingChange{"api.token[0].token", "***", "***"}));
}

TEST(summarize_changes, is_one_line) {
  const toml::table was = toml::parse("[timeouts]\na = 1\n[servers.a]\nx = 1\n[servers.b]\nx = 1\n[api]\nx = 1");
  const toml::table is = toml::parse("[timeouts]\na = 2\n[servers.b]\nx = 2\n[servers.c]\nx = 1\n[snat.lan]\nx = 1");
  EXPECT_EQ(summarize_changes(was, is), "a removed, b changed, c added, [snat], [timeouts], [api] removed");
  EXPECT_EQ(summarize_changes(was, was), "");
}

TEST(tuned_changes, name_what_differs) {
  const toml::table was = toml::parse("'timeouts.closed' = '5s'\n'dataplane.burst' = 8\n'logging.level' = 'warn'");
  const toml::table is = toml::parse("'timeouts.closed' = '5s'\n'dataplane.burst' = 16\n'timeouts.fin' = '5s'");
  EXPECT_THAT(tuned_changes(was, is), ElementsAre("dataplane.burst", "logging.level", "timeouts.fin"));
  EXPECT_THAT(tuned_changes(is, is), ElementsAre());
}

double moved(const std::string& from, const std::string& to, const std::string& keys = kWebKeys) {
  const Side was(server("web", keys, from));
  const Side is(server("web", keys, to));
  return share_of_slots_moved(was.state.services[0], is.state.services[0]).value_or(-1);
}

// iphash1 moves what it must and nothing else; maglev a little more.
TEST(share_of_slots_moved, is_the_share_of_who_leaves) {
  const std::string four = "\"10.0.0.1:80\", \"10.0.0.2:80\", \"10.0.0.3:80\", \"10.0.0.4:80\"";
  const std::string three = "\"10.0.0.1:80\", \"10.0.0.2:80\", \"10.0.0.3:80\"";
  EXPECT_DOUBLE_EQ(moved(four, four), 0);
  const double by_maglev = moved(four, three);
  EXPECT_GE(by_maglev, 0.2499);
  EXPECT_LT(by_maglev, 0.32);
  EXPECT_NEAR(moved(four, three, "bind = \"203.0.113.10:80\"\nbalance = \"iphash1\""), 0.25, 0.01);
  EXPECT_DOUBLE_EQ(moved("\"10.0.0.1:80\"", "\"10.0.0.2:80\""), 1);
  EXPECT_DOUBLE_EQ(moved(three, "\"10.0.0.2:80\", \"10.0.0.1:80\", \"10.0.0.3:80\""), 0) << "order is nothing to it";
}

TEST(share_of_slots_moved, has_no_value_without_such_a_table) {
  EXPECT_EQ(moved("\"10.0.0.1:80\"", "\"10.0.0.2:80\"", "bind = \"203.0.113.10:80\"\nbalance = \"weight\""), -1);
  const Side was(server("web", kWebKeys, "\"10.0.0.1:80\""));
  const Side is(server("web", "bind = \"203.0.113.10:80\"\nbalance = \"iphash1\"", "\"10.0.0.1:80\""));
  EXPECT_FALSE(share_of_slots_moved(was.state.services[0], is.state.services[0]).has_value());
}

}  // namespace
}  // namespace millrace::control
