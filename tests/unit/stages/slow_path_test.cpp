#include "dataplane/stages/slow_path.h"

#include <gtest/gtest.h>
#include <rte_cycles.h>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

constexpr MacAddr kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

Bytes arp_request(const char* target) {
  Bytes arp = {0, 1, 8, 0, 6, 4, 0, 1};
  arp.insert(arp.end(), kClientMac.bytes.begin(), kClientMac.bytes.end());
  arp = wire::joined(arp, wire::address(addr("192.0.2.10")));
  arp.insert(arp.end(), 6, 0);
  arp = wire::joined(arp, wire::address(addr(target)));
  return wire::ether(kBroadcast, kClientMac, 0x0806, arp);
}

// A solicitation to the target itself (a reachability probe has that form).
Bytes solicitation(const char* target) {
  const IpAddr src = addr("2001:db8:1::10"), dst = addr(target);
  Bytes body = wire::address(dst);
  body.insert(body.end(), {1, 1});
  body.insert(body.end(), kClientMac.bytes.begin(), kClientMac.bytes.end());
  const Bytes icmp = wire::icmp(src, dst, 135, 0, 0, body);
  return wire::ether(kFrontMac, kClientMac, wire::ip(src, dst, 58, icmp, {.ttl = 255}));
}

Bytes echo(const FamilyCase& ends, const char* dst) {
  const IpAddr from = addr(ends.client), to = addr(dst);
  const bool ipv4 = from.is_ipv4();
  return from_client(wire::ip(from, to, ipv4 ? 1 : 58, wire::icmp(from, to, ipv4 ? 8 : 128, 0, 0x00010002, Bytes(48))));
}

// "Host unreachable" or the like from `router` about the packet in `frame`.
Bytes unreachable(const char* router, const Bytes& frame) {
  const Seen quoted = seen(frame);
  const Bytes packet(frame.begin() + 14, frame.end());
  const IpAddr from = addr(router);
  const bool ipv4 = from.is_ipv4();
  const Bytes icmp = wire::icmp(from, quoted.src, ipv4 ? 3 : 1, 1, 0, packet);
  return wire::ip(from, quoted.src, ipv4 ? 1 : 58, icmp);
}

Bytes answer_on(Testbed& bed, PortIndex port, const Bytes& frame) {
  bed.send(port, frame);
  bed.run();
  const std::vector<Bytes> out = bed.received(port);
  EXPECT_EQ(out.size(), 1u);
  return out.empty() ? Bytes() : out[0];
}

TEST(SlowPath, arp_for_our_addresses_is_answered) {
  Testbed bed;
  for (const char* target : {"203.0.113.10", "10.0.0.100"}) {
    const Bytes reply = answer_on(bed, kFront, arp_request(target));
    ASSERT_GE(reply.size(), 42u);
    EXPECT_EQ(wire::first(reply, 6), Bytes(kClientMac.bytes.begin(), kClientMac.bytes.end()));
    EXPECT_EQ(wire::get16(reply, 20), 2);
    EXPECT_EQ(Bytes(reply.begin() + 22, reply.begin() + 28), Bytes(kFrontMac.bytes.begin(), kFrontMac.bytes.end()));
    EXPECT_EQ(Bytes(reply.begin() + 28, reply.begin() + 32), wire::address(addr(target)));
  }
  EXPECT_EQ(bed.total(&WorkerCounters::arp_answered), 2u);
}

TEST(SlowPath, arp_for_others_is_the_kernels) {
  Testbed bed;
  bed.expect_divert(kFront, arp_request("192.0.2.1"));
  Bytes malformed = arp_request("203.0.113.10");
  malformed[18] = 7;
  bed.expect_drop(kFront, malformed, DropReason::arp_malformed);
}

TEST(SlowPath, addresses_of_the_kernel_are_answered_by_the_kernel) {
  TestbedOptions options;
  options.snat_kernel_owned = true;
  Testbed bed(options);
  bed.expect_divert(kFront, arp_request("10.0.0.100"));
  bed.expect_divert(kFront, echo(kIpv4Case, "10.0.0.100"));
  bed.expect_divert(kFront, solicitation("fd00::100"));
}

TEST(SlowPath, neighbour_solicitation) {
  Testbed bed;
  const Bytes reply = answer_on(bed, kFront, solicitation("2001:db8:2::10"));
  ASSERT_GE(reply.size(), 86u);
  EXPECT_EQ(reply[54], 136);
  EXPECT_EQ(wire::wrong_checksum(reply), "");
  EXPECT_EQ(bed.total(&WorkerCounters::arp_answered), 1u);
  bed.expect_divert(kFront, solicitation("2001:db8:1::1"));
  Bytes malformed = solicitation("2001:db8:2::10");
  malformed[21] = 64;  // hop limit
  bed.expect_drop(kFront, malformed, DropReason::arp_malformed);
}

TEST(SlowPath, ping) {
  Testbed bed;
  for (const FamilyCase& ends : {kIpv4Case, kIpv6Case}) {
    for (const char* target : {ends.vip, ends.snat}) {
      const Bytes reply = answer_on(bed, kFront, echo(ends, target));
      const Seen out = seen(reply);
      EXPECT_EQ(wire::wrong_checksum(reply), "");
      EXPECT_EQ(out.dst, addr(ends.client));
      EXPECT_EQ(out.src, addr(target));
      EXPECT_EQ(out.dst_mac, kClientMac);
      EXPECT_EQ(out.l4.at(0), addr(target).is_ipv4() ? 0 : 129);
    }
  }
  EXPECT_EQ(bed.total(&WorkerCounters::echo_answered), 4u);
  bed.expect_divert(kFront, echo(kIpv4Case, "192.0.2.1"));
}

TEST(SlowPath, ping_flood_is_limited_and_recovers) {
  Testbed bed;
  // All at once: the clock is held still.
  bed.pass(AnswerBudget::kBurstMs);
  for (unsigned i = 0; i < AnswerBudget::kBurst + 5; ++i) {
    bed.send(kFront, echo(kIpv4Case, "203.0.113.10"));
    bed.worker().clock.anchor(rte_rdtsc(), bed.worker().clock.now_ms());
    bed.run();
    bed.received(kFront);
  }
  EXPECT_GT(bed.dropped(DropReason::icmp_rate), 0u);
  EXPECT_GE(bed.total(&WorkerCounters::echo_answered), AnswerBudget::kBurst);
  bed.pass(AnswerBudget::kBurstMs);
  answer_on(bed, kFront, echo(kIpv4Case, "203.0.113.10"));
}

TEST(SlowPath, other_icmp_to_our_addresses) {
  Testbed bed;
  const IpAddr from = addr("192.0.2.10"), to = addr("203.0.113.10");
  const Bytes timestamp = from_client(wire::ip(from, to, 1, wire::icmp(from, to, 13, 0, 0, Bytes(12))));
  bed.expect_drop(kFront, timestamp, DropReason::icmp_unsupported);
}

TEST(SlowPath, errors_reach_the_other_side) {
  for (const Mode mode : {Mode::fullnat, Mode::nat}) {
    for (const FamilyCase& ends : {kIpv4Case, kIpv6Case}) {
      TestbedOptions options;
      options.services = {TestService{.mode = mode}};
      Testbed bed(options);
      const wire::Flow client = flow(ends.client, 40'000, ends.vip, 80);
      const Bytes at_backend = bed.forwarded(kFront, from_client(tcp_packet(client, kSyn)), kBack);
      const Seen there = seen(at_backend);
      const Seen to_client = seen(bed.forwarded(kBack, from_backend(unreachable(ends.backend, at_backend)), kFront));
      EXPECT_EQ(to_client.dst, client.src);
      EXPECT_EQ(to_client.dst_mac, kClientMac);
      // The client's stack must recognise its own packet.
      const size_t quoted_ports = 8 + (client.src.is_ipv4() ? 20 : 40);
      EXPECT_EQ(wire::get16(to_client.l4, quoted_ports), 40'000);
      EXPECT_EQ(wire::get16(to_client.l4, quoted_ports + 2), 80);

      const wire::Flow answer{there.dst, there.src, there.dst_port, there.src_port};
      const Bytes at_client = bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
      const Seen to_backend = seen(bed.forwarded(kFront, from_client(unreachable(ends.client, at_client)), kBack));
      EXPECT_EQ(to_backend.dst, addr(ends.backend));
      EXPECT_EQ(wire::get16(to_backend.l4, quoted_ports), 8080);
      EXPECT_EQ(bed.total(&WorkerCounters::icmp_translated), 2u);
    }
  }
}

TEST(SlowPath, errors_find_the_worker_of_the_connection) {
  for (const Mode mode : {Mode::fullnat, Mode::nat}) {
    TestbedOptions options;
    options.workers = 2;
    options.services = {TestService{.mode = mode}};
    Testbed bed(options);
    for (uint16_t port = 1; port <= 20; ++port) {
      const wire::Flow client = flow("192.0.2.10", port, "203.0.113.10", 80);
      const Bytes at_backend = bed.forwarded(kFront, from_client(tcp_packet(client, kSyn)), kBack);
      const Bytes error = from_backend(unreachable("10.0.0.1", at_backend));
      for (const uint16_t queue : {uint16_t{0}, uint16_t{1}}) bed.forwarded(kBack, error, kFront, queue);
    }
    EXPECT_EQ(bed.total(&WorkerCounters::icmp_translated), 40u);
  }
}

TEST(SlowPath, errors_about_nothing_of_ours) {
  Testbed bed;
  const Bytes never_sent = from_backend(tcp_packet(flow("10.0.0.100", 11'111, "10.0.0.1", 8080), kSyn));
  bed.expect_drop(kBack, from_backend(unreachable("10.0.0.1", never_sent)), DropReason::icmp_unknown_flow);
  const Bytes kernels = from_backend(tcp_packet(flow("192.0.2.1", 11'111, "10.0.0.1", 8080), kSyn));
  bed.expect_divert(kBack, from_backend(unreachable("10.0.0.1", kernels)));
  const IpAddr from = addr("10.0.0.1"), to = addr("10.0.0.100");
  bed.expect_drop(kBack, from_backend(wire::ip(from, to, 1, wire::icmp(from, to, 3, 1, 0, Bytes(10, 0x45)))),
                  DropReason::icmp_malformed);
}

}  // namespace
}  // namespace millrace
