// state_test.cpp: desired state, overrides, diff, transaction, restart notices.
#include <gtest/gtest.h>

#include "controlplane/link/transaction.h"
#include "controlplane/state/desired_state.h"
#include "controlplane/state/diff.h"
#include "controlplane/state/overrides.h"
#include "controlplane/state/restart_notices.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

DesiredState desired(const config::Config& config, const Overrides& overrides = {}, const HealthTable& health = {}) {
  return compute_desired_state(config, overrides, health);
}

TEST(compute_desired_state, takes_everything_over) {
  const DesiredState state = desired(sample_config());
  ASSERT_EQ(state.services.size(), 2u);
  EXPECT_EQ(state.services[0].name, "web");
  EXPECT_EQ(state.services[0].snat_pool, 0);
  EXPECT_EQ(state.services[0].binds.size(), 2u);
  EXPECT_EQ(state.services[0].backends[1].weight, 2);
  EXPECT_EQ(state.services[0].backends[1].priority, 1);
  EXPECT_EQ(state.services[1].snat_pool, kNoSnatPool);
  EXPECT_EQ(state.services[1].backends[0].health, Health::up);
  ASSERT_EQ(state.snat_ranges.size(), 1u);
  EXPECT_EQ(state.snat_ranges[0].port_first, 1024);
}

// sample_config() with web in mode proxy: two names, one header.
config::Config proxied_config() {
  config::Config config = sample_config();
  config::ServiceConfig& web = config.services[0];
  web.mode = Mode::proxy;
  web.connect_timeout_ms = 3000;
  web.host_matching = HostMatching::regexp;
  web.unexpected_host = UnexpectedHost::any;
  web.hello_timeout_ms = 2000;
  web.backends[0].host = "^www";
  web.backends[0].proxy_protocol = ProxyProtocol::v2;
  web.backends.push_back({.endpoint = endpoint("10.0.0.3:80"), .host = "^api"});
  return config;
}

TEST(compute_desired_state, takes_proxied_services_over) {
  config::Config config = proxied_config();
  config.services[1].proto = Proto::tcp;
  config.services[1].syn_proxy = SynProxy::automatic;
  config.services[1].syn_rate = 55;
  config.services[1].connect_timeout_ms = 700;
  const DesiredState state = desired(config);
  const DesiredService& web = state.services[0];
  EXPECT_EQ(web.snat_pool, 0);
  EXPECT_EQ(web.connect_timeout_ms, 3000u);
  EXPECT_EQ(web.hello_timeout_ms, 2000u);
  EXPECT_EQ(web.host_matching, HostMatching::regexp);
  EXPECT_EQ(web.unexpected_host, UnexpectedHost::any);
  EXPECT_EQ(web.backends[0].host, "^www");
  EXPECT_EQ(web.backends[0].proxy_protocol, ProxyProtocol::v2);
  EXPECT_EQ(web.backends[1].host, "");
  EXPECT_EQ(state.services[1].syn_proxy, SynProxy::automatic);
  EXPECT_EQ(state.services[1].syn_rate, 55u);
  EXPECT_EQ(state.services[1].connect_timeout_ms, 700u);
  config.services[1].syn_proxy = SynProxy::off;
  EXPECT_EQ(desired(config).services[1].connect_timeout_ms, 0u) << "nothing is proxied";
}

TEST(compute_desired_state, health_counts_only_with_a_check) {
  config::Config config = sample_config();
  const HealthTable down = {{BackendKey("web", endpoint("10.0.0.1:80")), Health::down}};
  EXPECT_EQ(desired(config, {}, down).services[0].backends[0].health, Health::up);
  config.services[0].healthcheck.kind = config::CheckKind::ping;
  EXPECT_EQ(desired(config, {}, down).services[0].backends[0].health, Health::down);
  config.services[0].healthcheck.initial_healthy = false;
  EXPECT_EQ(desired(config).services[0].backends[0].health, Health::down);
  EXPECT_FALSE(desired(config).services[0].up());
}

TEST(Overrides, merge_and_find) {
  Overrides overrides;
  const BackendKey key("web", endpoint("10.0.0.1:80"));
  overrides.merge(key, {Admin::drain, std::nullopt});
  overrides.merge(key, {std::nullopt, uint16_t{7}});
  const DesiredBackend backend = desired(sample_config(), overrides).services[0].backends[0];
  EXPECT_EQ(backend.admin, Admin::drain);
  EXPECT_EQ(backend.weight, 7);
  overrides.merge(key, {Admin::enabled, std::nullopt});
  EXPECT_EQ(overrides.find(key), (Override{std::nullopt, uint16_t{7}}));
}

TEST(Overrides, survive_a_reload_while_the_backend_stays) {
  Overrides overrides;
  overrides.merge(BackendKey("web", endpoint("10.0.0.1:80")), {Admin::drain, std::nullopt});
  overrides.merge(BackendKey("web", endpoint("10.0.0.2:80")), {Admin::disabled, std::nullopt});
  config::Config config = sample_config();
  config.services[0].backends.pop_back();
  overrides.retain(config);
  EXPECT_EQ(overrides.find(BackendKey("web", endpoint("10.0.0.1:80"))).admin, Admin::drain);
  EXPECT_FALSE(overrides.find(BackendKey("web", endpoint("10.0.0.2:80"))).admin);
}

TEST(diff_state, equal_states_need_nothing) {
  const StateChange change = diff_state(desired(sample_config()), desired(sample_config()));
  EXPECT_FALSE(change.snapshot_needed);
  EXPECT_TRUE(change.set_backends.empty());
}

TEST(diff_state, health_weight_and_admin_are_small) {
  const DesiredState from = desired(sample_config());
  DesiredState to = from;
  to.services[0].backends[1].health = Health::down;
  to.services[0].backends[1].weight = 9;
  to.services[1].backends[0].admin = Admin::drain;
  const StateChange change = diff_state(from, to);
  EXPECT_FALSE(change.snapshot_needed);
  ASSERT_EQ(change.set_backends.size(), 2u);
  EXPECT_EQ(change.set_backends[0].service, ServiceOrdinal{0});
  EXPECT_EQ(change.set_backends[0].backend, BackendOrdinal{1});
  EXPECT_EQ(change.set_backends[0].fields, kSetHealth | kSetWeight);
  EXPECT_EQ(change.set_backends[0].health, Health::down);
  EXPECT_EQ(change.set_backends[0].weight, 9);
  EXPECT_EQ(change.set_backends[1].service, ServiceOrdinal{1});
  EXPECT_EQ(change.set_backends[1].fields, kSetAdmin);
  EXPECT_EQ(change.set_backends[1].admin, Admin::drain);
}

config::AccessRules deny_first_addresses(uint32_t count) {
  std::vector<AccessRule> rules;
  for (uint32_t i = 0; i < count; ++i)
    rules.push_back({IpAddr::from_ipv4(Be32::from_host(0x0a00'0000 + i)), 32, AccessAction::deny});
  return std::make_shared<const std::vector<AccessRule>>(std::move(rules));
}

TEST(diff_state, the_same_access_rules_read_again_are_no_change) {
  DesiredState from = desired(sample_config()), to = from;
  from.services[0].access_rules = deny_first_addresses(20);
  to.services[0].access_rules = deny_first_addresses(20);
  EXPECT_FALSE(diff_state(from, to).snapshot_needed);
  to.services[0].access_rules = deny_first_addresses(21);
  EXPECT_TRUE(diff_state(from, to).snapshot_needed);
}

config::BlockedPrefixes block_first_addresses(uint32_t count) {
  std::vector<BlockedPrefix> prefixes;
  for (uint32_t i = 0; i < count; ++i) prefixes.push_back({IpAddr::from_ipv4(Be32::from_host(0x0a00'0000 + i)), 32});
  return std::make_shared<const std::vector<BlockedPrefix>>(std::move(prefixes));
}

TEST(diff_state, the_same_blocklist_read_again_is_no_change) {
  DesiredState from = desired(sample_config()), to = from;
  from.blocklist = block_first_addresses(20);
  to.blocklist = block_first_addresses(20);
  EXPECT_FALSE(diff_state(from, to).snapshot_needed);
}

TEST(diff_state, everything_else_needs_a_snapshot) {
  const DesiredState from = desired(sample_config());
  const std::vector<std::function<void(DesiredState&)>> changes = {
      [](DesiredState& s) { s.services[0].name = "other"; },
      [](DesiredState& s) { s.services[0].binds.pop_back(); },
      [](DesiredState& s) { s.services[0].backends.pop_back(); },
      [](DesiredState& s) { std::swap(s.services[0].backends[0], s.services[0].backends[1]); },
      [](DesiredState& s) { s.services[0].backends[0].priority = 3; },
      [](DesiredState& s) { s.services[0].balance = Balance::leastconn; },
      [](DesiredState& s) { s.services[0].mode = Mode::nat; },
      [](DesiredState& s) { s.services[0].proto = Proto::udp; },
      [](DesiredState& s) { s.services[0].client_idle_timeout_ms = 1; },
      [](DesiredState& s) { s.services[0].backend_idle_timeout_ms = 1; },
      [](DesiredState& s) { s.services[0].snat_pool = 5; },
      [](DesiredState& s) { s.services.pop_back(); },
      [](DesiredState& s) { std::swap(s.services[0], s.services[1]); },
      [](DesiredState& s) { s.snat_ranges[0].port_first = 2000; },
      [](DesiredState& s) { s.settings.time_wait_timeout_ms = 1; },
      [](DesiredState& s) { s.services[0].mode = Mode::proxy; },
      [](DesiredState& s) { s.services[0].syn_proxy = SynProxy::on; },
      [](DesiredState& s) { s.services[0].connect_timeout_ms = 1; },
      [](DesiredState& s) { s.services[0].hello_timeout_ms = 1; },
      [](DesiredState& s) { s.services[0].syn_rate = 1; },
      [](DesiredState& s) { s.services[0].host_matching = HostMatching::exact; },
      [](DesiredState& s) { s.services[0].unexpected_host = UnexpectedHost::any; },
      [](DesiredState& s) { s.services[0].backends[0].proxy_protocol = ProxyProtocol::v1; },
      [](DesiredState& s) { s.services[0].backends[0].host = "a.example"; },
      [](DesiredState& s) { s.services[0].backends[0].connections_max = 1; },
      [](DesiredState& s) { s.services[0].connections_max = 1; },
      [](DesiredState& s) { s.services[0].slow_start_ms = 1000; },
      [](DesiredState& s) { s.services[0].udp_requests_max = 1; },
      [](DesiredState& s) { s.services[0].udp_responses_max = 1; },
      [](DesiredState& s) { s.services[0].access_default = AccessAction::deny; },
      [](DesiredState& s) { s.services[0].connection_rate = 1; },
      [](DesiredState& s) { s.services[0].source_prefix6 = 48; },
      [](DesiredState& s) { s.services[0].access_rules = deny_first_addresses(1); },
      [](DesiredState& s) { s.blocklist = block_first_addresses(1); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    DesiredState to = from;
    changes[i](to);
    EXPECT_TRUE(diff_state(from, to).snapshot_needed) << "change " << i;
  }
}

TEST(make_transaction, order_counts_and_ordinals) {
  const std::vector<Command> commands = make_transaction(desired(sample_config()), 7);
  std::vector<CommandKind> kinds;
  for (const Command& command : commands) {
    EXPECT_EQ(command.generation, 7u);
    kinds.push_back(command.kind);
  }
  using enum CommandKind;
  EXPECT_EQ(kinds, (std::vector{begin, settings, snat_range, service, service, bind, bind, bind, backend, backend,
                                backend, commit}));
  EXPECT_EQ(commands[0].body.begin.snat_range_count, 1u);
  EXPECT_EQ(commands[0].body.begin.service_count, 2u);
  EXPECT_EQ(commands[0].body.begin.bind_count, 3u);
  EXPECT_EQ(commands[0].body.begin.backend_count, 3u);
  EXPECT_STREQ(commands[4].body.service.name, "dns");
  EXPECT_EQ(commands[4].body.service.ordinal, ServiceOrdinal{1});
  EXPECT_EQ(commands[10].body.backend.service, ServiceOrdinal{1});
  EXPECT_EQ(commands[10].body.backend.ordinal, BackendOrdinal{0});
}

TEST(make_transaction, limits_arrive) {
  config::Config config = sample_config();
  config.services[0].connections_max = 7;
  config.services[0].slow_start_ms = 30'000;
  config.services[0].backends[1].connections_max = 3;
  config.services[1].udp_requests_max = 5;
  config.services[1].udp_responses_max = 1;
  const std::vector<Command> commands = make_transaction(desired(config), 7);
  EXPECT_EQ(commands[3].body.service.settings.connections_max, 7u);
  EXPECT_EQ(commands[3].body.service.settings.slow_start_ms, 30'000u);
  EXPECT_EQ(commands[4].body.service.settings.udp_requests_max, 5u);
  EXPECT_EQ(commands[4].body.service.settings.udp_responses_max, 1u);
  EXPECT_EQ(commands[8].body.backend.connections_max, 0u);
  EXPECT_EQ(commands[9].body.backend.connections_max, 3u);
}

TEST(make_transaction, names_come_after_every_backend) {
  const std::vector<Command> commands = make_transaction(desired(proxied_config()), 7);
  std::vector<CommandKind> kinds;
  for (const Command& command : commands) kinds.push_back(command.kind);
  using enum CommandKind;
  EXPECT_EQ(kinds, (std::vector{begin, settings, snat_range, service, service, bind, bind, bind, backend, backend,
                                backend, backend, backend_host, backend_host, commit}));
  EXPECT_EQ(commands[0].body.begin.backend_host_count, 2u);
  const ServiceSettings& web = commands[3].body.service.settings;
  EXPECT_EQ(web.mode, Mode::proxy);
  EXPECT_EQ(web.snat_pool, 0);
  EXPECT_EQ(web.syn_proxy, SynProxy::off);
  EXPECT_EQ(web.connect_timeout_ms, 3000u);
  EXPECT_EQ(web.hello_timeout_ms, 2000u);
  EXPECT_EQ(web.syn_rate, 0u);
  EXPECT_EQ(web.host_matching, HostMatching::regexp);
  EXPECT_EQ(web.unexpected_host, UnexpectedHost::any);
  EXPECT_EQ(commands[8].body.backend.proxy_protocol, ProxyProtocol::v2);
  EXPECT_EQ(commands[9].body.backend.proxy_protocol, ProxyProtocol::none);
  EXPECT_STREQ(commands[12].body.backend_host.pattern, "^www");
  EXPECT_EQ(commands[13].body.backend_host.service, ServiceOrdinal{0});
  EXPECT_EQ(commands[13].body.backend_host.backend, BackendOrdinal{2});
  EXPECT_EQ(describe_command(commands[13], desired(proxied_config())), "server name ^api of service web");
}

TEST(make_transaction, access_rules_follow_in_order_as_many_as_fit_a_message) {
  config::Config config = sample_config();
  config.services[1].access_default = AccessAction::deny;
  config.services[1].access_rules = deny_first_addresses(kAccessRulesPerCommand + 2);
  const std::vector<Command> commands = make_transaction(desired(config), 7);
  EXPECT_EQ(commands[0].body.begin.access_rule_count, kAccessRulesPerCommand + 2);
  EXPECT_EQ(commands[4].body.service.settings.access_default, AccessAction::deny);
  ASSERT_EQ(commands.size(), 14u);
  const AccessRulesCommand& first = commands[11].body.access_rules;
  const AccessRulesCommand& second = commands[12].body.access_rules;
  EXPECT_EQ(commands[11].kind, CommandKind::access_rules);
  EXPECT_EQ(first.service, ServiceOrdinal{1});
  EXPECT_EQ(first.count, kAccessRulesPerCommand);
  EXPECT_EQ(second.service, ServiceOrdinal{1});
  EXPECT_EQ(second.count, 2);
  EXPECT_EQ(second.rules[0], (*config.services[1].access_rules)[kAccessRulesPerCommand]);
  EXPECT_EQ(second.rules[2], AccessRule{});
  EXPECT_EQ(describe_command(commands[12], desired(config)), "the access rules of service dns");
}

TEST(make_transaction, the_blocklist_comes_last_as_much_as_fits_a_message) {
  config::Config config = sample_config();
  config.blocklist = block_first_addresses(kBlockedPrefixesPerCommand + 2);
  const std::vector<Command> commands = make_transaction(desired(config), 7);
  EXPECT_EQ(commands[0].body.begin.blocked_prefix_count, kBlockedPrefixesPerCommand + 2);
  ASSERT_EQ(commands.size(), 14u);
  EXPECT_EQ(commands[11].kind, CommandKind::blocked_prefixes);
  EXPECT_EQ(commands[11].body.blocked_prefixes.count, kBlockedPrefixesPerCommand);
  const BlockedPrefixesCommand& second = commands[12].body.blocked_prefixes;
  EXPECT_EQ(second.count, 2);
  EXPECT_EQ(second.prefixes[0], (*config.blocklist)[kBlockedPrefixesPerCommand]);
  EXPECT_EQ(second.prefixes[2], BlockedPrefix{});
  EXPECT_EQ(commands[13].kind, CommandKind::commit);
  EXPECT_EQ(describe_command(commands[12], desired(config)), "the blocklist");
}

TEST(describe_command, names_the_item) {
  const DesiredState state = desired(sample_config());
  const std::vector<Command> commands = make_transaction(state, 1);
  EXPECT_EQ(describe_command(commands[2], state), "SNAT range 10.9.0.1-10.9.0.4");
  EXPECT_EQ(describe_command(commands[3], state), "service web");
  EXPECT_EQ(describe_command(commands[6], state), "bind [2001:db8::10]:80 of service web");
  EXPECT_EQ(describe_command(commands[10], state), "backend 10.0.0.3:53 of service dns");
  SetBackendCommand change;
  change.backend = BackendOrdinal{1};
  EXPECT_EQ(describe_command(make_set_backends({change}, 1)[0], state),
            "the change of backend 10.0.0.2:80 of service web");
}

TEST(restart_notices, only_what_a_reload_cannot_do) {
  const config::Config running = sample_config();
  config::Config loaded = running;
  loaded.services.pop_back();
  loaded.logging.level = config::LogLevel::debug;
  loaded.settings.burst_packets = 16;
  EXPECT_TRUE(restart_notices(running, loaded).empty());
  loaded.dataplane.connections = 5000;
  loaded.dataplane.proxy = false;
  loaded.dataplane.ports.push_back({.name = "front", .device_kind = "null"});
  loaded.api.socket = "/tmp/other.sock";
  loaded.logging.json = true;
  const std::vector<std::string> notices = restart_notices(running, loaded);
  ASSERT_EQ(notices.size(), 5u);
  EXPECT_EQ(notices[0], "[dataplane] connections changed: restart millrace-dataplane to put it in force");
  EXPECT_EQ(notices[1], "[dataplane] proxy changed: restart millrace-dataplane to put it in force");
  EXPECT_EQ(notices[3], "[api] socket changed: restart millraced to put it in force");
  EXPECT_EQ(notices[4], "[logging] output and format changed: restart millraced to put it in force");
}

}  // namespace
}  // namespace millrace::control
