// direct_commands_test.cpp: what the command reader takes and refuses of services in mode dsr and tunnel.
#include <gtest/gtest.h>

#include <functional>

#include "dataplane/link/command_reader.h"
#include "tests/unit/link/commands.h"

namespace millrace {
namespace {

using R = RejectReason;

enum Position : size_t { kDsr = 2, kIp, kGue, kDsrBackend = 7, kGueBackend, kCommit };
std::vector<Command> good() {
  std::vector<Command> commands = TestTransaction(5)
                                      .snat_range(0, "10.72.0.10", "10.72.0.13")
                                      .service("dsr", Mode::dsr, Balance::maglev)
                                      .service("ip", Mode::tunnel, Balance::maglev, Proto::udp)
                                      .service("gue", Mode::tunnel, Balance::maglev)
                                      .bind(0, "203.0.113.10", 80)
                                      .bind(2, "203.0.113.11", 80)
                                      .backend(0, 0, "10.72.1.1")
                                      .backend(2, 0, "10.72.1.1")
                                      .commands();
  commands[kDsr].body.service.settings.snat_pool = kNoSnatPool;
  commands[kDsr].body.service.settings.mss_clamp = 1;
  commands[kIp].body.service.settings.encapsulation = Encapsulation::ip;
  commands[kGue].body.service.settings.encapsulation = Encapsulation::gue;
  commands[kGue].body.service.settings.gue_port = 6080;
  return commands;
}

RejectReason spoiled(size_t at, const std::function<void(ServiceSettings&)>& spoil) {
  std::vector<Command> commands = good();
  spoil(commands[at].body.service.settings);
  return refusal(commands, at);
}

TEST(CommandReader_direct, takes_every_kind) {
  CommandReader reader;
  for (const Command& command : good()) reader.read(command, {});
  const DesiredModel model = reader.take();
  ASSERT_EQ(model.services.size(), 3u);
  EXPECT_EQ(model.services[0].mode, Mode::dsr);
  EXPECT_EQ(model.services[0].mss_clamp, 1);
  EXPECT_EQ(model.services[1].encapsulation, Encapsulation::ip);
  EXPECT_EQ(model.services[2].gue_port, 6080);
}

TEST(CommandReader_direct, refuses_an_encapsulation_that_does_not_fit_the_mode) {
  EXPECT_EQ(spoiled(kDsr, [](auto& s) { s.encapsulation = Encapsulation::ip; }), R::bad_field);
  EXPECT_EQ(spoiled(kIp, [](auto& s) { s.encapsulation = Encapsulation::none; }), R::bad_field);
  EXPECT_EQ(spoiled(kIp, [](auto& s) { s.encapsulation = Encapsulation{3}; }), R::bad_field);
  EXPECT_EQ(spoiled(kIp, [](auto& s) { s.gue_port = 6080; }), R::bad_field);
  EXPECT_EQ(spoiled(kGue, [](auto& s) { s.gue_port = 0; }), R::bad_field);
  EXPECT_EQ(spoiled(kGue, [](auto& s) { s.mode = Mode::fullnat; }), R::bad_field);
  EXPECT_EQ(spoiled(kGue, [](auto& s) { s.mode = Mode{6}; }), R::bad_field);
}

TEST(CommandReader_direct, refuses_what_needs_the_backends_answers) {
  EXPECT_EQ(spoiled(kDsr, [](auto& s) { s.balance = Balance::leastconn; }), R::bad_field);
  EXPECT_EQ(spoiled(kGue,
                    [](auto& s) {
                      s.syn_proxy = SynProxy::on;
                      s.connect_timeout_ms = 3000;
                    }),
            R::bad_field);
  EXPECT_EQ(spoiled(kGue, [](auto& s) { s.host_matching = HostMatching::exact; }), R::bad_field);
}

TEST(CommandReader_direct, refuses_limits_that_nobody_can_count) {
  EXPECT_EQ(spoiled(kDsr, [](auto& s) { s.connections_max = 1; }), R::bad_field);
  EXPECT_EQ(spoiled(kIp, [](auto& s) { s.udp_requests_max = 1; }), R::bad_field);
  EXPECT_EQ(spoiled(kIp, [](auto& s) { s.udp_responses_max = 1; }), R::bad_field);
  EXPECT_EQ(spoiled(kDsr, [](auto& s) { s.slow_start_ms = kSlowStartMsMin; }), R::bad_field);
  std::vector<Command> commands = good();
  commands[kDsrBackend].body.backend.connections_max = 1;
  EXPECT_EQ(refusal(commands, kDsrBackend), R::bad_field);
}

TEST(CommandReader_direct, refuses_a_clamp_where_there_are_no_syns) {
  EXPECT_EQ(spoiled(kIp, [](auto& s) { s.mss_clamp = 1; }), R::bad_field) << "UDP";
  EXPECT_EQ(spoiled(kDsr, [](auto& s) { s.mss_clamp = 2; }), R::bad_field);
}

TEST(CommandReader_direct, refuses_a_pool_too_many_and_a_pool_too_few) {
  EXPECT_EQ(spoiled(kDsr, [](auto& s) { s.snat_pool = 0; }), R::bad_field);
  std::vector<Command> commands = good();
  commands[kGue].body.service.settings.snat_pool = kNoSnatPool;
  EXPECT_EQ(refusal(commands, kGueBackend), R::no_pool);
}

TEST(CommandReader_direct, refuses_a_backend_on_another_port) {
  for (const size_t at : {kDsrBackend, kGueBackend}) {
    std::vector<Command> commands = good();
    commands[at].body.backend.port = port(8080);
    EXPECT_EQ(refusal(commands, at), R::bad_field);
  }
}

TEST(CommandReader_direct, refuses_a_header_of_the_proxy_protocol) {
  std::vector<Command> commands = good();
  commands[kDsrBackend].body.backend.proxy_protocol = ProxyProtocol::v1;
  EXPECT_EQ(refusal(commands, kDsrBackend), R::bad_field);
}

}  // namespace
}  // namespace millrace
