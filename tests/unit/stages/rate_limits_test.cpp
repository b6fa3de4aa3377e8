// rate_limits_test.cpp: what is over its rate is dropped under its own reason, in every mode; the rest goes on.
#include <gtest/gtest.h>

#include "tests/unit/stages/direct_fixture.h"
#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::Bytes;

class Rates : public testing::TestWithParam<FamilyCase> {
 protected:
  static TestbedOptions with(TestService service) {
    TestbedOptions options;
    options.services = {std::move(service)};
    return options;
  }
  wire::Flow client(uint16_t port) const { return flow(GetParam().client, port, GetParam().vip, 80); }
  Bytes tcp(uint16_t port, uint8_t flags) const { return from_client(tcp_packet(client(port), flags)); }
  Bytes udp(uint16_t port) const { return from_client(udp_packet(client(port))); }
  static uint64_t limited(const Testbed& bed) { return bed.service_total(ServiceSlot{0}, &ServiceCounters::limited); }
};

TEST_P(Rates, connections_beyond_the_rate_wait_for_their_next_try) {
  for (const Mode mode : {Mode::fullnat, Mode::nat}) {
    Testbed bed(with({.mode = mode, .connection_rate = 2}));
    bed.forwarded(kFront, tcp(1, kSyn), kBack);
    bed.forwarded(kFront, tcp(2, kSyn), kBack);
    bed.expect_drop(kFront, tcp(3, kSyn), DropReason::connection_rate);
    bed.forwarded(kFront, tcp(1, kAck), kBack);
    EXPECT_EQ(limited(bed), 1u);
    bed.pass(500);
    bed.forwarded(kFront, tcp(3, kSyn), kBack);
    bed.expect_drop(kFront, tcp(4, kSyn), DropReason::connection_rate);
  }
}

TEST_P(Rates, a_source_has_its_own) {
  Testbed bed(with({.proto = Proto::udp, .source_connection_rate = 1}));
  bed.forwarded(kFront, udp(1), kBack);
  bed.expect_drop(kFront, udp(2), DropReason::source_rate);
  const char* other = GetParam().name == std::string("ipv4") ? "192.0.2.11" : "2001:db8:1:1::10";
  bed.forwarded(kFront, from_client(udp_packet(flow(other, 1, GetParam().vip, 80))), kBack);
}

// Also of connections that live; answers are not counted.
TEST_P(Rates, packets_of_clients) {
  Testbed bed(with({.packet_rate = 4}));
  const wire::Flow answer = answer_to(bed.forwarded(kFront, tcp(1, kSyn), kBack));
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
  for (unsigned i = 0; i < 3; ++i) bed.forwarded(kFront, tcp(1, kAck), kBack);
  bed.expect_drop(kFront, tcp(1, kAck), DropReason::packet_rate);
  bed.expect_drop(kFront, tcp(2, kSyn), DropReason::packet_rate);
  for (unsigned i = 0; i < 9; ++i) bed.forwarded(kBack, from_backend(tcp_packet(answer, kAck)), kFront);
  EXPECT_EQ(limited(bed), 2u);
  bed.pass(250);
  bed.forwarded(kFront, tcp(1, kAck), kBack);
}

TEST_P(Rates, a_burst_of_one_new_flow) {
  Testbed bed(with({.proto = Proto::udp, .packet_rate = 5}));
  for (unsigned i = 0; i < 20; ++i) bed.send(kFront, udp(1));
  bed.run();
  EXPECT_EQ(bed.received(kBack).size(), 5u);
  EXPECT_EQ(bed.dropped(DropReason::packet_rate), 15u);
}

TEST_P(Rates, later_fragments_are_packets_too) {
  Testbed bed(with({.proto = Proto::udp, .source_packet_rate = 3}));
  bed.forwarded(kFront, udp(1), kBack);
  for (const Bytes& piece : wire::fragments(udp_packet(client(1), Bytes(1'000)), 400, 7))
    bed.send(kFront, from_client(piece));
  bed.run();
  EXPECT_EQ(bed.received(kBack).size(), 2u);
  EXPECT_EQ(bed.dropped(DropReason::source_rate), 1u);
}

TEST_P(Rates, another_service_goes_on) {
  TestbedOptions options = with({.packet_rate = 1});
  options.services.push_back(
      {.binds = {"203.0.113.10:81", "[2001:db8:2::10]:81"}, .backends = {"10.0.0.2:81", "[fd00::2]:81"}});
  Testbed bed(options);
  bed.resolve(kBack, "fd00::2", kBackendMac);
  bed.forwarded(kFront, tcp(1, kSyn), kBack);
  bed.expect_drop(kFront, tcp(1, kAck), DropReason::packet_rate);
  const auto other = [&](uint8_t flags) {
    return from_client(tcp_packet(flow(GetParam().client, 1, GetParam().vip, 81), flags));
  };
  bed.forwarded(kFront, other(kSyn), kBack);
  for (unsigned i = 0; i < 20; ++i) bed.forwarded(kFront, other(kAck), kBack);
}

// Only who brings the cookie back has come in.
TEST_P(Rates, forged_syns_take_no_token_where_clients_must_prove_themselves) {
  Testbed bed(with({.mode = Mode::proxy, .connection_rate = 1}));
  for (uint16_t port = 1; port <= 20; ++port) bed.forwarded(kFront, tcp(port, kSyn), kFront);
  EXPECT_EQ(limited(bed), 0u);
  EXPECT_EQ(bed.total(&WorkerCounters::cookies_sent), 20u);
}

INSTANTIATE_TEST_SUITE_P(, Rates, testing::Values(kIpv4Case, kIpv6Case),
                         [](const auto& param) { return std::string(param.param.name); });

class Rates_direct : public testing::TestWithParam<TunnelCase> {};

TEST_P(Rates_direct, syns_and_packets) {
  TestbedOptions options;
  options.services = {DirectBed::service(GetParam(), Proto::tcp)};
  options.services[0].connection_rate = 1;
  options.services[0].packet_rate = 4;
  DirectBed bed(GetParam(), Proto::tcp, options);
  bed.forwarded(1, kSyn);
  bed->expect_drop(kFront, from_client(bed.packet(2, kSyn)), DropReason::connection_rate);
  bed.forwarded(3, kAck);  // of a flow that began elsewhere
  bed.forwarded(1, kAck);
  bed->expect_drop(kFront, from_client(bed.packet(1, kAck)), DropReason::packet_rate);
}

INSTANTIATE_TEST_SUITE_P(Way, Rates_direct, testing::ValuesIn(kDirectCases),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace millrace
