// access_test.cpp: access rules are asked about packets that would begin a connection, and about no others.
#include <gtest/gtest.h>

#include "tests/unit/stages/direct_fixture.h"
#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr AccessAction kDeny = AccessAction::deny;

std::vector<AccessRule> both_clients() {
  return {{wire::addr(kIpv4Case.client), 32, kDeny}, {wire::addr(kIpv6Case.client), 128, kDeny}};
}

class Access : public testing::TestWithParam<FamilyCase> {
 protected:
  static TestbedOptions with(TestService service) {
    TestbedOptions options;
    options.services = {std::move(service)};
    return options;
  }
  wire::Flow client(uint16_t port = 40'000) const { return flow(GetParam().client, port, GetParam().vip, 80); }
  Bytes tcp(uint8_t flags) const { return from_client(tcp_packet(client(), flags)); }
};

TEST_P(Access, denied_client_gets_no_connection) {
  for (const Mode mode : {Mode::fullnat, Mode::nat}) {
    Testbed bed(with({.mode = mode, .access_rules = both_clients()}));
    bed.expect_drop(kFront, tcp(kSyn), DropReason::access_denied);
    EXPECT_EQ(bed.only_connection(), nullptr);
    EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::denied), 1u);
  }
}

TEST_P(Access, denied_client_gets_no_udp_flow) {
  Testbed bed(with({.proto = Proto::udp, .access_rules = both_clients()}));
  for (unsigned i = 0; i < 3; ++i)
    bed.expect_drop(kFront, from_client(udp_packet(client())), DropReason::access_denied);
  EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::denied), 3u);
}

TEST_P(Access, denied_client_gets_no_cookie) {
  for (const Mode mode : {Mode::proxy, Mode::fullnat}) {
    const SynProxy syn_proxy = mode == Mode::proxy ? SynProxy::off : SynProxy::on;
    Testbed bed(with({.mode = mode, .syn_proxy = syn_proxy, .access_rules = both_clients()}));
    bed.expect_drop(kFront, tcp(kSyn), DropReason::access_denied);
    bed.expect_drop(kFront, tcp(kAck), DropReason::access_denied);
    EXPECT_EQ(bed.total(&WorkerCounters::cookies_sent), 0u);
  }
}

TEST_P(Access, by_default_nobody_but_whom_a_rule_names) {
  Testbed bed(with({.access_default = kDeny}));
  bed.expect_drop(kFront, tcp(kSyn), DropReason::access_denied);
  const IpAddr prefix = prefix_of(wire::addr(GetParam().client), 24);
  bed.configure({TestService{.access_default = kDeny, .access_rules = {{prefix, 24, AccessAction::allow}}}});
  bed.announce_nothing();
  bed.forwarded(kFront, tcp(kSyn), kBack);
}

TEST_P(Access, what_is_no_beginning_is_dropped_under_its_own_reason) {
  Testbed bed(with({.access_rules = both_clients()}));
  bed.expect_drop(kFront, tcp(kAck), DropReason::no_connection);
  EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::denied), 0u);
}

// As in gobetween: rules are for those who come, not for those who are in.
TEST_P(Access, new_rules_leave_a_living_connection_alone) {
  Testbed bed(with({}));
  const Seen at_backend = seen(bed.forwarded(kFront, tcp(kSyn), kBack));
  const wire::Flow answer{at_backend.dst, at_backend.src, at_backend.dst_port, at_backend.src_port};
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
  bed.configure({TestService{.access_rules = both_clients()}});
  bed.announce_nothing();
  bed.forwarded(kFront, tcp(kAck), kBack);
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kAck, {1, 2})), kFront);
  bed.expect_drop(kFront, from_client(tcp_packet(client(40'001), kSyn)), DropReason::access_denied);
}

// Later fragments name no ports; they share what becomes of the first.
TEST_P(Access, a_datagram_in_fragments_is_denied_by_its_first_one) {
  Testbed bed(with({.proto = Proto::udp, .access_rules = both_clients()}));
  for (const Bytes& piece : wire::fragments(udp_packet(client(), Bytes(1'000)), 400, 7))
    bed.send(kFront, from_client(piece));
  bed.run();
  EXPECT_TRUE(bed.received(kBack).empty());
  EXPECT_EQ(bed.dropped(DropReason::access_denied), 1u);
  EXPECT_EQ(bed.dropped(DropReason::fragment_orphan), 2u);
}

INSTANTIATE_TEST_SUITE_P(, Access, testing::Values(kIpv4Case, kIpv6Case),
                         [](const auto& param) { return std::string(param.param.name); });

// Modes dsr and tunnel, where a flow may begin with any packet.
class Access_direct : public testing::TestWithParam<TunnelCase> {
 protected:
  static TestService service(Proto proto, std::vector<AccessRule> rules) {
    TestService made = DirectBed::service(GetParam(), proto);
    made.access_rules = std::move(rules);
    return made;
  }
};

TEST_P(Access_direct, denied_client_gets_no_flow_and_a_living_one_stays) {
  for (const Proto proto : {Proto::tcp, Proto::udp}) {
    DirectBed bed(GetParam(), proto);
    bed.forwarded(40'000, kSyn);
    bed->configure({service(proto, both_clients())});
    bed->announce_nothing();
    bed.forwarded(40'000, kAck);
    for (const uint8_t flags : {kSyn, kAck})
      bed->expect_drop(kFront, from_client(bed.packet(40'001, flags)), DropReason::access_denied);
    EXPECT_EQ(bed->service_total(ServiceSlot{0}, &ServiceCounters::denied), 2u);
    EXPECT_EQ(bed->total(&WorkerCounters::connections_opened), 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(Way, Access_direct, testing::ValuesIn(kDirectCases),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace millrace
