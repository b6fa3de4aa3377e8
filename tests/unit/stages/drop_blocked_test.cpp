// drop_blocked_test.cpp: nothing of a source on the blocklist gets to a VIP; whatever else it sends goes on.
#include <gtest/gtest.h>

#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr uint16_t kPort = 4000;
constexpr uint8_t kIcmp = 1, kIcmp6 = 58;
constexpr uint8_t kUnreachable4 = 3, kUnreachable6 = 1, kEcho4 = 8, kEcho6 = 128, kSolicitation = 135;

class Blocked : public testing::TestWithParam<FamilyCase> {
 protected:
  // The client's network.
  static std::vector<BlockedPrefix> clients() {
    return {{wire::addr("192.0.2.0"), 24}, {wire::addr("2001:db8:1::"), 64}};
  }
  static std::vector<BlockedPrefix> backends() { return {{wire::addr("10.0.0.0"), 8}, {wire::addr("fd00::"), 8}}; }
  bool is_ipv4() const { return wire::addr(GetParam().vip).is_ipv4(); }

  Bytes tcp(uint8_t flags, uint16_t vip_port = 80) const {
    return from_client(tcp_packet(flow(GetParam().client, kPort, GetParam().vip, vip_port), flags));
  }
  Bytes udp_datagram(const Bytes& payload = {1}) const {
    return udp_packet(flow(GetParam().client, kPort, GetParam().vip, 80), payload);
  }
  Bytes icmp(const char* src, const char* dst, uint8_t type4, uint8_t type6, const Bytes& payload = Bytes(8)) const {
    const IpAddr from = wire::addr(src), to = wire::addr(dst);
    return wire::ip(from, to, is_ipv4() ? kIcmp : kIcmp6,
                    wire::icmp(from, to, is_ipv4() ? type4 : type6, 0, 0, payload), {.ttl = 255});
  }
  static wire::Flow answer_to(const Bytes& frame) {
    const Seen at = seen(frame);
    return {at.dst, at.src, at.dst_port, at.src_port};
  }
  // A service on a SNAT address.
  static TestbedOptions one_address(bool kernel_owned = false, Proto proto = Proto::tcp) {
    TestbedOptions options;
    options.services = {{.proto = proto, .binds = {"10.0.0.100:80", "[fd00::100]:80"}}};
    options.snat_kernel_owned = kernel_owned;
    return options;
  }
};

TEST_P(Blocked, a_living_connection_stops_and_goes_on) {
  for (const Mode mode : {Mode::fullnat, Mode::nat}) {
    TestbedOptions options;
    options.services = {{.mode = mode}};
    Testbed bed(options);
    const wire::Flow answer = answer_to(bed.forwarded(kFront, tcp(kSyn), kBack));
    bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
    bed.forwarded(kFront, tcp(kAck), kBack);
    bed.block(clients());
    bed.expect_drop(kFront, tcp(kAck), DropReason::blocked);
    bed.expect_drop(kFront, tcp(kRst), DropReason::blocked);
    bed.forwarded(kBack, from_backend(tcp_packet(answer, kAck)), kFront);
    bed.block({});
    bed.forwarded(kFront, tcp(kAck), kBack);
  }
}

TEST_P(Blocked, everything_to_the_vip) {
  Testbed bed;
  bed.block(clients());
  bed.expect_drop(kFront, tcp(kSyn), DropReason::blocked);
  bed.expect_drop(kFront, tcp(kSyn, 81), DropReason::blocked);
  bed.expect_drop(kFront, from_client(udp_datagram()), DropReason::blocked);
  bed.expect_drop(kFront, from_client(icmp(GetParam().client, GetParam().vip, kEcho4, kEcho6)), DropReason::blocked);
  const Bytes gre = wire::ip(wire::addr(GetParam().client), wire::addr(GetParam().vip), 47, Bytes(20));
  bed.expect_drop(kFront, from_client(gre), DropReason::blocked);
  EXPECT_EQ(bed.only_connection(), nullptr);
}

TEST_P(Blocked, fragments_do_not_wait) {
  TestbedOptions options;
  options.services = {{.proto = Proto::udp}};
  Testbed bed(options);
  bed.block(clients());
  const std::vector<Bytes> pieces = wire::fragments(udp_datagram(Bytes(1000)), 400, 7);
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece)
    bed.expect_drop(kFront, from_client(*piece), DropReason::blocked);
  EXPECT_EQ(bed.total(&WorkerCounters::held), 0u);
}

TEST_P(Blocked, another_worker_gets_nothing_of_it) {
  TestbedOptions options;
  options.workers = 4;
  Testbed bed(options);
  bed.block(clients());
  for (uint16_t queue = 0; queue < 4; ++queue) bed.send(kFront, tcp(kSyn), queue);
  bed.run();
  EXPECT_EQ(bed.dropped(DropReason::blocked), 4u);
  EXPECT_EQ(bed.total(&WorkerCounters::handed_out), 0u);
}

TEST_P(Blocked, others_are_not_disturbed) {
  Testbed bed;
  bed.block({{wire::addr("192.0.2.11"), 32}, {wire::addr("2001:db8:1::11"), 128}});
  bed.forwarded(kFront, tcp(kSyn), kBack);
  EXPECT_EQ(bed.dropped(DropReason::blocked), 0u);
}

TEST_P(Blocked, what_is_to_no_vip_is_the_hosts_business) {
  Testbed bed;
  bed.block(clients());
  const char* host = is_ipv4() ? "192.0.2.1" : "2001:db8:1::1";
  bed.expect_divert(kFront, from_client(tcp_packet(flow(GetParam().client, kPort, host, 80), kSyn)));
  bed.expect_divert(kFront, from_client(icmp(GetParam().client, host, kEcho4, kEcho6)));
}

// Of an address that the kernel owns the service alone is a VIP.
TEST_P(Blocked, an_address_of_the_kernel) {
  Testbed bed(one_address(true));
  bed.block(clients());
  const auto to = [](uint16_t port) {
    return from_client(tcp_packet(flow(GetParam().client, kPort, GetParam().snat, port), kSyn));
  };
  bed.expect_drop(kFront, to(80), DropReason::blocked);
  bed.expect_divert(kFront, to(22));
  bed.expect_divert(kFront, from_client(icmp(GetParam().client, GetParam().snat, kEcho4, kEcho6)));
}

TEST_P(Blocked, backends_answer) {
  Testbed bed;
  bed.block(backends());
  const wire::Flow answer = answer_to(bed.forwarded(kFront, tcp(kSyn), kBack));
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
}

// Where the VIP is a SNAT address as well, whatever may be a backend's answer; and nothing else of it.
TEST_P(Blocked, backends_answer_to_a_vip) {
  Testbed bed(one_address(false, Proto::udp));
  bed.block(backends());
  const auto request = udp_packet(flow(GetParam().client, kPort, GetParam().snat, 80));
  const wire::Flow answer = answer_to(bed.forwarded(kFront, from_client(request), kBack));
  for (const Bytes& piece : wire::fragments(udp_packet(answer, Bytes(1000)), 512, 7))
    bed.send(kBack, from_backend(piece));
  bed.run();
  EXPECT_EQ(bed.received(kFront).size(), 2u);
  const Bytes arrived = udp_packet({answer.dst, answer.src, answer.dst_port, answer.src_port}, {1, 2, 3});
  bed.forwarded(kBack, from_backend(icmp(GetParam().backend, GetParam().snat, kUnreachable4, kUnreachable6, arrived)),
                kFront);
  bed.expect_drop(kBack, from_backend(icmp(GetParam().backend, GetParam().snat, kEcho4, kEcho6)), DropReason::blocked);
  bed.expect_drop(kBack, from_backend(udp_packet(flow(GetParam().backend, kPort, GetParam().snat, 80))),
                  DropReason::blocked);
}

INSTANTIATE_TEST_SUITE_P(, Blocked, testing::Values(kIpv4Case, kIpv6Case),
                         [](const auto& param) { return std::string(param.param.name); });

// RFC 4861 section 7.3: a neighbour that is checked is asked at its own address.
TEST(Blocked_ipv6, neighbours_find_the_vip) {
  Testbed bed;
  bed.block({{IpAddr{}, 0}});
  const IpAddr client = wire::addr(kIpv6Case.client), vip = wire::addr(kIpv6Case.vip);
  const Bytes target_and_mac = wire::joined(wire::address(vip), {1, 1, 2, 0, 0, 0, 1, 1});
  const Bytes solicitation = wire::icmp(client, vip, kSolicitation, 0, 0, target_and_mac);
  bed.send(kFront, from_client(wire::ip(client, vip, kIcmp6, solicitation, {.ttl = 255})));
  bed.run();
  EXPECT_EQ(bed.received(kFront).size(), 1u);
  EXPECT_EQ(bed.total(&WorkerCounters::arp_answered), 1u);
}

}  // namespace
}  // namespace millrace
