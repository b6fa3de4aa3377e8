#include "dataplane/stages/next_hop.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

TestbedOptions unresolved() {
  TestbedOptions options;
  options.services = {TestService{.proto = Proto::udp}};
  options.neighbours_resolved = false;
  return options;
}
Bytes question(const FamilyCase& ends, uint16_t port, const Bytes& payload) {
  return from_client(udp_packet(flow(ends.client, port, ends.vip, 80), payload));
}

TEST(NextHop, packets_wait_for_the_mac_and_leave_in_order) {
  for (const FamilyCase& ends : {kIpv4Case, kIpv6Case}) {
    Testbed bed(unresolved());
    for (uint8_t i = 0; i < 5; ++i) bed.send(kFront, question(ends, 40'000, {i}));
    bed.run();
    EXPECT_TRUE(bed.received(kBack).empty());
    EXPECT_EQ(bed.total(&WorkerCounters::held), 5u);
    const std::vector<WorkerNote> notes = bed.notes();
    ASSERT_EQ(notes.size(), 1u) << "one question a next hop";
    EXPECT_EQ(notes[0].kind, NoteKind::resolve);
    EXPECT_EQ(notes[0].port, kBack);
    EXPECT_EQ(notes[0].addr, addr(ends.backend));

    bed.resolve(kBack, ends.backend, kBackendMac);
    bed.pass(1);
    const std::vector<Bytes> out = bed.received(kBack);
    ASSERT_EQ(out.size(), 5u);
    for (uint8_t i = 0; i < 5; ++i) {
      EXPECT_EQ(wire::wrong_checksum(out[i]), "");
      EXPECT_EQ(seen(out[i]).l4.back(), i);
      EXPECT_EQ(seen(out[i]).dst_mac, kBackendMac);
    }
    EXPECT_EQ(bed.total(&WorkerCounters::held), 0u);
  }
}

TEST(NextHop, no_answer_in_time) {
  Testbed bed(unresolved());
  bed.send(kFront, question(kIpv4Case, 40'000, {1}));
  bed.run();
  bed.pass(kHoldMs - 10);
  EXPECT_EQ(bed.total(&WorkerCounters::held), 1u);
  bed.pass(20);
  EXPECT_EQ(bed.total(&WorkerCounters::held), 0u);
  EXPECT_EQ(bed.dropped(DropReason::neighbour_timeout), 1u);
  // The next packet asks again.
  bed.notes();
  bed.send(kFront, question(kIpv4Case, 40'000, {1}));
  bed.run();
  EXPECT_EQ(bed.notes().size(), 1u);
}

TEST(NextHop, too_many_wait) {
  Testbed bed(unresolved());
  for (unsigned i = 0; i < kHeldPerHopMax + 3; ++i) bed.send(kFront, question(kIpv4Case, 40'000, {1}));
  bed.run();
  EXPECT_EQ(bed.total(&WorkerCounters::held), kHeldPerHopMax);
  EXPECT_EQ(bed.dropped(DropReason::hold_full), 3u);
}

TEST(NextHop, neighbour_that_is_lost_later) {
  Testbed bed;
  const wire::Flow client = flow("192.0.2.10", 40'000, "203.0.113.10", 80);
  bed.forwarded(kFront, from_client(tcp_packet(client, kSyn)), kBack);
  bed.state().neighbours->set_unresolved(bed.state().neighbours->find(kBack, addr("10.0.0.1")));
  bed.send(kFront, from_client(tcp_packet(client, kSyn)));
  bed.run();
  EXPECT_EQ(bed.total(&WorkerCounters::held), 1u);
  const MacAddr moved{{2, 0, 0, 0, 9, 9}};
  bed.resolve(kBack, "10.0.0.1", moved);
  bed.pass(1);
  const std::vector<Bytes> out = bed.received(kBack);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(seen(out[0]).dst_mac, moved);
}

TEST(NextHop, live_connections_follow_a_new_route) {
  Testbed bed;
  const wire::Flow client = flow("192.0.2.10", 40'000, "203.0.113.10", 80);
  bed.forwarded(kFront, from_client(tcp_packet(client, kSyn)), kBack);
  const MacAddr gateway_mac{{2, 0, 0, 0, 7, 7}};
  bed.resolve(kBack, "10.0.0.254", gateway_mac);
  bed.set_routes({{.prefix = addr("192.0.2.0"), .prefix_bits = 24, .port = kFront},
                  {.prefix = addr("0.0.0.0"), .prefix_bits = 0, .port = kBack, .gateway = addr("10.0.0.254")}});
  EXPECT_EQ(seen(bed.forwarded(kFront, from_client(tcp_packet(client, kSyn)), kBack)).dst_mac, gateway_mac);
  bed.set_routes({{.prefix = addr("192.0.2.0"), .prefix_bits = 24, .port = kFront}});
  bed.expect_drop(kFront, from_client(tcp_packet(client, kSyn)), DropReason::no_route);
}

TEST(NextHop, of_equal_ways_a_flow_keeps_its_own_until_its_router_is_lost) {
  Testbed bed({.services = {TestService{.proto = Proto::udp}}});
  const MacAddr macs[] = {{{2, 0, 0, 0, 7, 1}}, {{2, 0, 0, 0, 7, 2}}};
  bed.resolve(kBack, "10.0.0.251", macs[0]);
  bed.resolve(kBack, "10.0.0.252", macs[1]);
  bed.set_routes({{.prefix = addr("192.0.2.0"), .prefix_bits = 24, .port = kFront},
                  {.prefix = addr("0.0.0.0"), .prefix_bits = 0, .port = kBack, .gateway = addr("10.0.0.251")},
                  {.prefix = addr("0.0.0.0"), .prefix_bits = 0, .port = kBack, .gateway = addr("10.0.0.252")}});
  const auto macs_of_flows = [&] {
    std::vector<MacAddr> chosen;
    for (uint16_t port = 40'000; port < 40'064; ++port)
      chosen.push_back(seen(bed.forwarded(kFront, question(kIpv4Case, port, {1}), kBack)).dst_mac);
    return chosen;
  };
  const std::vector<MacAddr> before = macs_of_flows();
  EXPECT_GT(std::ranges::count(before, macs[0]), 16);
  EXPECT_GT(std::ranges::count(before, macs[1]), 16);
  EXPECT_EQ(macs_of_flows(), before);
  NeighbourTable& neighbours = *bed.state().neighbours;
  neighbours.set_unresolved(neighbours.find(kBack, addr("10.0.0.251")));
  EXPECT_EQ(macs_of_flows(), std::vector(64, macs[1]));
  bed.resolve(kBack, "10.0.0.251", macs[0]);
  EXPECT_EQ(macs_of_flows(), std::vector(64, macs[1])) << "each knows its way";
}

}  // namespace
}  // namespace millrace
