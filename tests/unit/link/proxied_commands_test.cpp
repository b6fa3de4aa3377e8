// proxied_commands_test.cpp: what the command reader takes and refuses of services with proxied connections.
#include <gtest/gtest.h>

#include <functional>

#include "dataplane/link/command_reader.h"
#include "tests/unit/link/commands.h"

namespace millrace {
namespace {

using R = RejectReason;

// Positions: 0 begin, 1 range, 2 .. 5 services web (names), bare (mode proxy), auto (fullnat), on (nat), 6 .. 10
// backends, 11 and 12 names, 13 commit.
enum Position : size_t {
  kBegin = 0,
  kWeb = 2,
  kBare,
  kAuto,
  kOn,
  kWebBackend = 6,
  kAutoBackend = 9,
  kOnBackend,
  kWww = 11,
  kApi,
  kCommit
};
std::vector<Command> good() {
  std::vector<Command> commands = TestTransaction(5)
                                      .snat_range(0, "10.72.0.10", "10.72.0.13")
                                      .named("web", HostMatching::exact, UnexpectedHost::any)
                                      .proxied("bare")
                                      .service("auto")
                                      .service("on", Mode::nat)
                                      .backend(0, 0, "10.72.1.1")
                                      .backend(0, 1, "10.72.1.2")
                                      .backend(0, 2, "10.72.1.3")
                                      .backend(2, 0, "10.72.1.1")
                                      .backend(3, 0, "10.72.1.1")
                                      .host(0, 0, "www.example.com")
                                      .host(0, 1, "www.example.com")
                                      .commands();
  ServiceSettings& automatic = commands[kAuto].body.service.settings;
  automatic.syn_proxy = SynProxy::automatic;
  automatic.syn_rate = 10'000;
  automatic.connect_timeout_ms = 500;
  ServiceSettings& on = commands[kOn].body.service.settings;
  on.syn_proxy = SynProxy::on;
  on.connect_timeout_ms = kHandshakeTimeoutMsMax;
  commands[kWebBackend].body.backend.proxy_protocol = ProxyProtocol::v2;
  commands[kOnBackend].body.backend.proxy_protocol = ProxyProtocol::v1;
  return commands;
}

RejectReason spoiled(size_t at, const std::function<void(Command::Body&)>& spoil) {
  std::vector<Command> commands = good();
  spoil(commands[at].body);
  return refusal(commands, at);
}

TEST(CommandReader_proxied, takes_every_kind) {
  CommandReader reader;
  for (const Command& command : good()) reader.read(command, {});
  const DesiredModel model = reader.take();
  ASSERT_EQ(model.services.size(), 4u);
  const DesiredService& web = model.services[0];
  EXPECT_EQ(web.mode, Mode::proxy);
  EXPECT_EQ(web.connect_timeout_ms, 3000u);
  EXPECT_EQ(web.hello_timeout_ms, 2000u);
  EXPECT_EQ(web.host_matching, HostMatching::exact);
  EXPECT_EQ(web.unexpected_host, UnexpectedHost::any);
  ASSERT_EQ(web.hosts.size(), 1u) << "one name of two backends";
  EXPECT_EQ(web.hosts[0].pattern->text(), "www.example.com");
  EXPECT_EQ(web.backends[0].host, 0);
  EXPECT_EQ(web.backends[1].host, 0);
  EXPECT_EQ(web.backends[2].host, kNoHost);
  EXPECT_EQ(web.backends[0].proxy_protocol, ProxyProtocol::v2);
  EXPECT_EQ(web.backends[1].proxy_protocol, ProxyProtocol::none);
  EXPECT_EQ(model.services[1].host_matching, HostMatching::none);
  EXPECT_EQ(model.services[2].syn_proxy, SynProxy::automatic);
  EXPECT_EQ(model.services[2].syn_rate, 10'000u);
  EXPECT_EQ(model.services[3].syn_proxy, SynProxy::on);
  EXPECT_EQ(model.services[3].backends[0].proxy_protocol, ProxyProtocol::v1);
}

TEST(CommandReader_proxied, refuses_fields_out_of_range) {
  const std::vector<std::pair<size_t, std::function<void(ServiceSettings&)>>> changes = {
      {kWeb, [](ServiceSettings& s) { s.connect_timeout_ms = kHandshakeTimeoutMsMin - 1; }},
      {kWeb, [](ServiceSettings& s) { s.connect_timeout_ms = kHandshakeTimeoutMsMax + 1; }},
      {kWeb, [](ServiceSettings& s) { s.hello_timeout_ms = kHandshakeTimeoutMsMin - 1; }},
      {kWeb, [](ServiceSettings& s) { s.hello_timeout_ms = kHandshakeTimeoutMsMax + 1; }},
      {kWeb, [](ServiceSettings& s) { s.host_matching = HostMatching{3}; }},
      {kWeb, [](ServiceSettings& s) { s.unexpected_host = UnexpectedHost{3}; }},
      {kWeb, [](ServiceSettings& s) { s.syn_rate = 1; }},
      {kAuto, [](ServiceSettings& s) { s.syn_proxy = SynProxy{3}; }},
      {kAuto, [](ServiceSettings& s) { s.syn_rate = 0; }},
      {kAuto, [](ServiceSettings& s) { s.syn_rate = kSynRateMax + 1; }},
      {kOn, [](ServiceSettings& s) { s.syn_rate = 1; }},
  };
  for (size_t i = 0; i < changes.size(); ++i)
    EXPECT_EQ(spoiled(changes[i].first, [&](Command::Body& body) { changes[i].second(body.service.settings); }),
              R::bad_field)
        << "change " << i;
}

TEST(CommandReader_proxied, refuses_combinations_that_mean_nothing) {
  const std::vector<std::pair<size_t, std::function<void(ServiceSettings&)>>> changes = {
      {kBare, [](ServiceSettings& s) { s.proto = Proto::udp; }},
      {kAuto, [](ServiceSettings& s) { s.proto = Proto::udp; }},
      {kOn, [](ServiceSettings& s) { s.proto = Proto::udp; }},
      {kBare, [](ServiceSettings& s) { s.syn_proxy = SynProxy::on; }},
      {kBare, [](ServiceSettings& s) { s.connect_timeout_ms = 0; }},
      {kBare, [](ServiceSettings& s) { s.hello_timeout_ms = 2000; }},
      {kBare, [](ServiceSettings& s) { s.unexpected_host = UnexpectedHost::reject; }},
      {kWeb, [](ServiceSettings& s) { s.hello_timeout_ms = 0; }},
      {kWeb, [](ServiceSettings& s) { s.mode = Mode::fullnat; }},
      // Without proxied connections there is no timeout of theirs.
      {kOn, [](ServiceSettings& s) { s.syn_proxy = SynProxy::off; }},
      // Only mode proxy reads server names.
      {kOn,
       [](ServiceSettings& s) {
         s.host_matching = HostMatching::exact;
         s.hello_timeout_ms = 2000;
       }},
  };
  for (size_t i = 0; i < changes.size(); ++i)
    EXPECT_EQ(spoiled(changes[i].first, [&](Command::Body& body) { changes[i].second(body.service.settings); }),
              R::bad_field)
        << "change " << i;
}

TEST(CommandReader_proxied, needs_a_pool_and_room_for_splices) {
  EXPECT_EQ(spoiled(kBare, [](Command::Body& body) { body.service.settings.snat_pool = 1; }), R::no_pool);
  EXPECT_EQ(refusal(good(), kWeb, CommandReader(false)), R::no_splices);
  std::vector<Command> commands = TestTransaction(1).snat_range(0, "10.0.0.1", "10.0.0.1").service("web").commands();
  EXPECT_EQ(refusal(commands, commands.size() - 1, CommandReader(false)), R::none);
  commands[2].body.service.settings.syn_proxy = SynProxy::on;
  commands[2].body.service.settings.connect_timeout_ms = 3000;
  EXPECT_EQ(refusal(commands, 2, CommandReader(false)), R::no_splices);
}

TEST(CommandReader_proxied, a_header_is_for_backends_that_always_get_one) {
  EXPECT_EQ(spoiled(kAutoBackend, [](Command::Body& body) { body.backend.proxy_protocol = ProxyProtocol::v1; }),
            R::bad_field);
  EXPECT_EQ(spoiled(kWebBackend, [](Command::Body& body) { body.backend.proxy_protocol = ProxyProtocol{3}; }),
            R::bad_field);
}

TEST(CommandReader_backend_host, names_what_is_there) {
  const auto change = [](auto&& spoil) {
    return spoiled(kApi, [&](Command::Body& body) { spoil(body.backend_host); });
  };
  EXPECT_EQ(change([](BackendHostCommand& h) { h.service = ServiceOrdinal{4}; }), R::bad_order);
  EXPECT_EQ(change([](BackendHostCommand& h) { h.backend = BackendOrdinal{3}; }), R::bad_order);
  EXPECT_EQ(change([](BackendHostCommand& h) { h.backend = BackendOrdinal{0}; }), R::duplicate_backend);
  EXPECT_EQ(change([](BackendHostCommand& h) { h.service = ServiceOrdinal{2}, h.backend = BackendOrdinal{0}; }),
            R::bad_field)
      << "that service reads no names";
}

TEST(CommandReader_backend_host, has_a_text_that_can_be_one) {
  const auto change = [](auto&& spoil) {
    return spoiled(kApi, [&](Command::Body& body) { spoil(body.backend_host.pattern); });
  };
  EXPECT_EQ(change([](char* p) { std::memset(p, 0, kHostPatternBytes); }), R::bad_field);
  EXPECT_EQ(change([](char* p) { std::memset(p, 'a', kHostPatternBytes); }), R::bad_field);
  EXPECT_EQ(change([](char* p) { p[100] = 'a'; }), R::bad_field);
  EXPECT_EQ(change([](char* p) { p[0] = '\t'; }), R::bad_field);
  EXPECT_EQ(change([](char* p) { p[0] = 'W'; }), R::bad_pattern);
  EXPECT_EQ(change([](char* p) { p[0] = '*'; }), R::bad_pattern);
}

TEST(CommandReader_backend_host, expressions_must_compile) {
  const auto read_one = [](const std::string& pattern) {
    return refusal(TestTransaction(1)
                       .snat_range(0, "10.0.0.1", "10.0.0.1")
                       .named("web", HostMatching::regexp)
                       .backend(0, 0, "10.1.0.1")
                       .host(0, 0, pattern)
                       .commands(),
                   pattern == "^a.*b$" ? 5 : 4);
  };
  EXPECT_EQ(read_one("^a.*b$"), R::none);
  EXPECT_EQ(read_one("(a"), R::bad_pattern);
  EXPECT_EQ(read_one("((a{1,250}){1,250}){1,250}"), R::bad_pattern);
}

TEST(CommandReader_backend_host, counts) {
  for (const int difference : {-1, 1}) {
    std::vector<Command> commands = good();
    commands[kBegin].body.begin.backend_host_count += static_cast<uint32_t>(difference);
    EXPECT_EQ(refusal(commands, difference < 0 ? kApi : kCommit), R::bad_count);
  }
}

TEST(CommandReader_backend_host, limits_different_names_of_a_service) {
  TestTransaction transaction(1);
  transaction.snat_range(0, "10.0.0.1", "10.0.0.1").named("web", HostMatching::exact);
  const auto addr = [](uint32_t n) { return "10.1." + std::to_string(n / 256) + "." + std::to_string(n % 256); };
  for (uint16_t n = 0; n <= kHostPatternMax + 1; ++n) transaction.backend(0, n, addr(n));
  for (uint16_t n = 0; n < kHostPatternMax; ++n) transaction.host(0, n, "n" + std::to_string(n));
  transaction.host(0, kHostPatternMax, "n7").host(0, kHostPatternMax + 1, "other");
  const std::vector<Command> commands = transaction.commands();
  EXPECT_EQ(refusal(commands, commands.size() - 2), R::too_many);
}

TEST(CommandReader_backend_host, comes_after_every_backend) {
  std::vector<Command> commands = good();
  std::swap(commands[kOnBackend].body, commands[kWww].body);
  std::swap(commands[kOnBackend].kind, commands[kWww].kind);
  EXPECT_EQ(refusal(commands, kWww), R::bad_order);
}

TEST(DesiredService_equality, looks_at_the_text_of_names) {
  const auto model = [](const std::string& pattern) {
    return TestTransaction(1)
        .snat_range(0, "10.0.0.1", "10.0.0.1")
        .named("web", HostMatching::regexp)
        .backend(0, 0, "10.1.0.1")
        .host(0, 0, pattern)
        .model();
  };
  EXPECT_EQ(model("^a").services[0], model("^a").services[0]);
  EXPECT_FALSE(model("^a").services[0] == model("^b").services[0]);
}

}  // namespace
}  // namespace millrace
