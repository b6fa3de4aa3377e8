// access_commands_test.cpp: what the command reader takes and refuses of access rules.
#include <gtest/gtest.h>

#include <functional>

#include "dataplane/link/command_reader.h"
#include "tests/unit/link/commands.h"

namespace millrace {
namespace {

using R = RejectReason;
constexpr AccessAction kAllow = AccessAction::allow, kDeny = AccessAction::deny;

// Positions: 0 begin, 1 range, 2 and 3 services web and mail, 4 rules of web, 5 rules of mail.
enum Position : size_t { kBegin = 0, kWeb = 2, kWebRules = 4, kMailRules };
std::vector<Command> good() {
  return TestTransaction(5)
      .snat_range(0, "10.72.0.10", "10.72.0.13")
      .service("web")
      .service("mail")
      .access_rules(0, {{ip("10.1.0.0"), 16, kDeny}, {ip("10.0.0.0"), 8, kAllow}})
      .access_rules(1, {{ip("2001:db8::"), 32, kDeny}})
      .commands();
}

RejectReason spoiled(size_t at, const std::function<void(Command::Body&)>& spoil) {
  std::vector<Command> commands = good();
  spoil(commands[at].body);
  return refusal(commands, at);
}

DesiredModel model_of(const std::vector<Command>& commands) {
  CommandReader reader;
  for (const Command& command : commands) reader.read(command, {});
  return reader.take();
}

TEST(CommandReader_access, compiles_the_rules_of_each_service) {
  std::vector<Command> commands = good();
  commands[kWeb].body.service.settings.access_default = kDeny;
  const DesiredModel model = model_of(commands);
  const AccessTable& web = *model.services[0].access.table;
  EXPECT_FALSE(web.allows(ip("10.1.2.3")));
  EXPECT_TRUE(web.allows(ip("10.2.0.0")));
  EXPECT_FALSE(web.allows(ip("192.0.2.1")));
  EXPECT_FALSE(model.services[1].access.table->allows(ip("2001:db8::1")));
  EXPECT_TRUE(model.services[1].access.table->allows(ip("10.1.2.3")));
}

TEST(CommandReader_access, a_default_of_deny_needs_no_rule) {
  std::vector<Command> commands =
      TestTransaction(5).snat_range(0, "10.72.0.10", "10.72.0.13").service("web").commands();
  EXPECT_EQ(model_of(commands).services[0].access.table, nullptr);
  commands[kWeb].body.service.settings.access_default = kDeny;
  EXPECT_FALSE(model_of(commands).services[0].access.table->allows(ip("10.0.0.1")));
}

TEST(CommandReader_access, rules_of_a_service_go_on_in_the_next_message) {
  TestTransaction transaction(5);
  transaction.snat_range(0, "10.72.0.10", "10.72.0.13").service("web");
  for (unsigned message = 0; message < 3; ++message) {
    std::vector<AccessRule> rules;
    for (unsigned i = 0; i < kAccessRulesPerCommand; ++i)
      rules.push_back({IpAddr::from_ipv4(Be32::from_host(0x0a000000 + message * 256 + i)), 32, kDeny});
    transaction.access_rules(0, rules);
  }
  const DesiredModel model = transaction.model();
  const AccessTable& web = *model.services[0].access.table;
  EXPECT_FALSE(web.allows(ip("10.0.0.0")));
  EXPECT_FALSE(web.allows(ip("10.0.2.12")));
  EXPECT_TRUE(web.allows(ip("10.0.2.13")));
}

TEST(CommandReader_access, refuses_fields_out_of_range) {
  expect_bad_fields(good(), kWebRules, &Command::Body::access_rules,
                    {[](auto& c) { c.count = 0; }, [](auto& c) { c.count = kAccessRulesPerCommand + 1; },
                     [](auto& c) { c.count = 1; },  // a rule behind the last
                     [](auto& c) { c.reserved = 1; }, [](auto& c) { c.rules[0].bits = 33; },
                     [](auto& c) { c.rules[0].bits = 15; },  // 10.1.0.0/15 has a host bit
                     [](auto& c) { c.rules[1].action = AccessAction{2}; },
                     [](auto& c) {
                       c.rules[1] = {ip("2001:db8::"), 129, kDeny};
                     },
                     [](auto& c) {
                       c.rules[1] = {ip("2001:db8::1"), 127, kDeny};
                     }});
  EXPECT_EQ(spoiled(kWeb, [](Command::Body& body) { body.service.settings.access_default = AccessAction{2}; }),
            R::bad_field);
  EXPECT_EQ(spoiled(kWeb, [](Command::Body& body) { body.service.settings.reserved = 1; }), R::bad_field);
}

TEST(CommandReader_access, refuses_rules_of_no_service) {
  EXPECT_EQ(spoiled(kMailRules, [](Command::Body& body) { body.access_rules.service = ServiceOrdinal{2}; }),
            R::bad_order);
}

TEST(CommandReader_access, refuses_counts_that_differ) {
  expect_counted(good(), &BeginCommand::access_rule_count, kMailRules);
}

TEST(CommandReader_access, refuses_more_than_the_limits) {
  std::vector<Command> commands = good();
  commands[kBegin].body.begin.access_rule_count = kAccessRuleMax + 1;
  EXPECT_EQ(refusal(commands, kBegin), R::too_many);

  TestTransaction transaction(5);
  transaction.snat_range(0, "10.72.0.10", "10.72.0.13").service("web");
  const std::vector<AccessRule> rules(kAccessRulesPerCommand, {ip("10.0.0.0"), 8, kDeny});
  const size_t full = kAccessRulePerServiceMax / kAccessRulesPerCommand;
  for (size_t i = 0; i <= full; ++i) transaction.access_rules(0, rules);
  EXPECT_EQ(refusal(transaction.commands(), 3 + full), R::too_many);
}

TEST(CommandReader_rates, takes_what_is_in_range) {
  std::vector<Command> commands = good();
  ServiceSettings& web = commands[kWeb].body.service.settings;
  web.connection_rate = kRateMax;
  web.packet_rate = 1;
  web.source_packet_rate = 7;
  web.source_prefix4 = 32;
  web.source_prefix6 = 1;
  const DesiredModel model = model_of(commands);
  EXPECT_EQ(model.services[0].connection_rate, kRateMax);
  EXPECT_EQ(model.services[0].source_prefix6, 1);
}

TEST(CommandReader_rates, refuses_what_is_not) {
  const std::vector<std::function<void(ServiceSettings&)>> changes = {
      [](ServiceSettings& s) { s.connection_rate = kRateMax + 1; },
      [](ServiceSettings& s) { s.packet_rate = kRateMax + 1; },
      [](ServiceSettings& s) { s.source_connection_rate = kRateMax + 1; },
      [](ServiceSettings& s) { s.source_packet_rate = kRateMax + 1; },
      [](ServiceSettings& s) { s.source_prefix4 = 33; },
      [](ServiceSettings& s) { s.source_prefix6 = 129; },
      [](ServiceSettings& s) { s.source_prefix4 = 0; },
      [](ServiceSettings& s) { s.source_prefix6 = 0; },
      [](ServiceSettings& s) { s.source_connection_rate = s.source_packet_rate = 0; },  // what are prefixes for then?
      [](ServiceSettings& s) { s.reserved = 1; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    const auto spoil = [&](Command::Body& body) {
      ServiceSettings& web = body.service.settings;
      web.source_connection_rate = web.source_packet_rate = 5;
      web.source_prefix4 = web.source_prefix6 = 24;
      changes[i](web);
    };
    EXPECT_EQ(spoiled(kWeb, spoil), R::bad_field) << "change " << i;
  }
}

}  // namespace
}  // namespace millrace
