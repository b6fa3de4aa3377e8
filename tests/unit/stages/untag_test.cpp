// untag_test.cpp: a front device with tags. Clients stand in VLAN 100, behind kSecond; the front port has the frames
// without a tag unless a test says otherwise.
#include "dataplane/stages/untag.h"

#include <gtest/gtest.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr uint16_t kVlan = 100;

// `control`: priority, drop eligibility, id.
Bytes tagged(const Bytes& frame, uint16_t control, uint16_t type = 0x8100) {
  Bytes out = wire::first(frame, 12);
  wire::put16(out, type);
  wire::put16(out, control);
  out.insert(out.end(), frame.begin() + 12, frame.end());
  return out;
}

TestbedOptions with_vlan(unsigned workers = 1) {
  TestbedOptions options;
  options.workers = workers;
  options.second_vlan = kVlan;
  return options;
}

// The way to the clients is the VLAN's.
void move_clients(Testbed& bed) {
  bed.set_routes({{.prefix = wire::addr("192.0.2.0"), .prefix_bits = 24, .port = kSecond},
                  {.prefix = wire::addr("10.0.0.0"), .prefix_bits = 24, .port = kBack},
                  {.prefix = wire::addr("2001:db8:1::"), .prefix_bits = 64, .port = kSecond},
                  {.prefix = wire::addr("fd00::"), .prefix_bits = 64, .port = kBack}});
  for (const char* client : {kIpv4Case.client, kIpv6Case.client}) bed.resolve(kSecond, client, kClientMac);
}

Bytes syn(const FamilyCase& ends, uint16_t port = 30'000) {
  return from_client(tcp_packet(flow(ends.client, port, ends.vip, 80), kSyn));
}
Bytes syn_ack_to(const Bytes& at_backend) { return from_backend(tcp_packet(answer_to(at_backend), kSynAck)); }
// What came out by the front device is one frame of the VLAN; returns it without its tag.
Bytes only_tagged(Testbed& bed) {
  const std::vector<Bytes> frames = bed.received(kFront);
  if (frames.size() != 1) throw std::runtime_error("not one frame");
  EXPECT_EQ(wire::get16(frames[0], 12), 0x8100);
  EXPECT_EQ(wire::get16(frames[0], 14), kVlan);
  Bytes plain = wire::first(frames[0], 12);
  plain.insert(plain.end(), frames[0].begin() + 16, frames[0].end());
  EXPECT_EQ(wire::wrong_checksum(plain), "");
  return plain;
}

TEST(Untag, a_vlan_is_a_port_of_its_own) {
  Testbed bed(with_vlan());
  move_clients(bed);
  for (const FamilyCase& ends : {kIpv4Case, kIpv6Case}) {
    // Neither the priority nor the drop eligible bit is a part of the id.
    const Bytes at_backend = bed.forwarded(kFront, tagged(syn(ends), 0xf000 | kVlan), kBack);
    bed.send(kBack, syn_ack_to(at_backend));
    bed.run();
    const Seen back = seen(only_tagged(bed));
    EXPECT_EQ(back.dst_mac, kClientMac);
    EXPECT_EQ(back.dst, wire::addr(ends.client));
  }
  EXPECT_EQ(bed.worker().counters.ports[raw(kSecond)].rx_packets.read(), 2u);
  EXPECT_EQ(bed.worker().counters.ports[raw(kFront)].rx_packets.read(), 0u);
  const uint64_t tag_bytes = 4;
  EXPECT_EQ(bed.total(&WorkerCounters::tx_bytes), 4 * 14 + 2 * (20 + 40) + 4 * 20 + 2 * tag_bytes);
}

TEST(Untag, frames_without_a_tag_and_with_a_priority_alone_are_the_untagged_ports) {
  for (const TestbedOptions& options : {with_vlan(), TestbedOptions{}}) {
    Testbed bed(options);
    uint16_t port = 1;
    for (const FamilyCase& ends : {kIpv4Case, kIpv6Case}) {
      bed.forwarded(kFront, syn(ends, port++), kBack);
      const Bytes at_backend = bed.forwarded(kFront, tagged(syn(ends, port++), 0xa000), kBack);
      bed.forwarded(kBack, syn_ack_to(at_backend), kFront);
    }
    EXPECT_EQ(bed.worker().counters.ports[raw(kFront)].rx_packets.read(), 4u);
  }
}

// Of a VLAN that no port has, of two at once, of 802.1ad, cut off behind the type.
std::vector<Bytes> strangers() {
  const Bytes frame = syn(kIpv4Case);
  return {tagged(frame, 300), tagged(frame, 4095), tagged(frame, kVlan, 0x88a8),
          tagged(tagged(frame, kVlan), kVlan, 0x88a8), wire::first(tagged(frame, kVlan), 16)};
}

TEST(Untag, other_tags_are_the_kernels) {
  for (TestbedOptions options : {with_vlan(), TestbedOptions{}}) {
    options.with_exception_port = true;
    Testbed bed(options);
    for (const Bytes& frame : strangers()) {
      bed.expect_divert(kFront, frame);
      EXPECT_EQ(bed.received_by_kernel(), std::vector<Bytes>{frame});
    }
  }
}

TEST(Untag, other_tags_without_a_kernel_are_drops) {
  for (TestbedOptions options : {with_vlan(), TestbedOptions{}}) {
    options.kernel_sees_all = false;
    Testbed bed(options);
    for (const Bytes& frame : strangers()) bed.expect_drop(kFront, frame, DropReason::unknown_vlan);
  }
}

TEST(Untag, a_tag_within_a_vlan_is_of_no_port) {
  TestbedOptions options = with_vlan();
  options.kernel_sees_all = false;
  Testbed bed(options);
  bed.expect_drop(kFront, tagged(tagged(syn(kIpv4Case), 7), kVlan), DropReason::unknown_vlan);
}

TEST(Untag, what_a_vlan_has_for_the_kernel_gets_its_tag_again) {
  TestbedOptions options = with_vlan();
  options.with_exception_port = true;
  Testbed bed(options);
  const Bytes ssh = tagged(from_client(tcp_packet(flow("192.0.2.10", 5, "192.0.2.1", 22), kSyn)), kVlan);
  bed.expect_divert(kFront, ssh);
  EXPECT_EQ(bed.received_by_kernel(), std::vector<Bytes>{ssh});
  // And what the kernel sends is as it shall be.
  const Bytes reply =
      tagged(wire::ether(kClientMac, kFrontMac, tcp_packet(flow("192.0.2.1", 22, "192.0.2.10", 5), kSynAck)), kVlan);
  bed.send_to_exception_port(reply);
  bed.run();
  EXPECT_EQ(bed.received(kFront), std::vector<Bytes>{reply});
}

TEST(Untag, a_device_of_vlans_alone_leaves_the_untagged_to_the_kernel) {
  TestbedOptions options;
  options.front_vlan = kVlan;
  Testbed bed(options);
  bed.expect_divert(kFront, syn(kIpv4Case));
  bed.expect_divert(kFront, tagged(syn(kIpv4Case), 0));
  const Bytes at_backend = bed.forwarded(kFront, tagged(syn(kIpv4Case), kVlan), kBack);
  bed.send(kBack, syn_ack_to(at_backend));
  bed.run();
  only_tagged(bed);
}

TEST(Untag, beside_a_device_of_vlans_alone_the_kernel_sends_and_gets_frames_as_they_are) {
  TestbedOptions options;
  options.front_vlan = kVlan;
  options.with_exception_port = true;
  Testbed bed(options);
  std::vector<Bytes> frames = strangers();
  frames.push_back(syn(kIpv4Case));
  frames.push_back(tagged(syn(kIpv6Case), 0));
  for (const Bytes& frame : frames) {
    bed.expect_divert(kFront, frame);
    EXPECT_EQ(bed.received_by_kernel(), std::vector<Bytes>{frame});
    bed.send_to_exception_port(frame);
    bed.run();
    EXPECT_EQ(bed.received(kFront), std::vector<Bytes>{frame});
  }
  const Bytes ssh = tagged(from_client(tcp_packet(flow("192.0.2.10", 5, "192.0.2.1", 22), kSyn)), kVlan);
  bed.expect_divert(kFront, ssh);
  EXPECT_EQ(bed.received_by_kernel(), std::vector<Bytes>{ssh});
}

// The TAP's queue is another worker's.
TEST(Untag, a_worker_without_a_queue_hands_over_what_a_vlan_has_for_the_kernel) {
  TestbedOptions options = with_vlan(2);
  options.queues = 1;
  options.with_exception_port = true;
  options.snat_kernel_owned = true;
  Testbed bed(options);
  for (uint16_t port = 10'000; port < 10'020; ++port) {
    // To an address of the pool, but of no connection: its owner finds that it is the host's own.
    const Bytes frame = tagged(from_client(tcp_packet(flow("192.0.2.10", 80, kIpv4Case.snat, port), kAck)), kVlan);
    bed.expect_divert(kFront, frame);
    EXPECT_EQ(bed.received_by_kernel(), std::vector<Bytes>{frame});
  }
  EXPECT_GT(bed.worker(1).counters.handed_out.read(), 0u);
}

TEST(Untag, a_flood_in_a_vlan_leaves_the_kernel_other_kinds) {
  TestbedOptions options = with_vlan();
  options.with_exception_port = true;
  options.punt_rate = 10'000;
  Testbed bed(options);
  bed.pass(1000);
  bed.worker().clock.anchor(rte_rdtsc(), bed.worker().clock.now_ms());  // held still: all within a millisecond
  for (uint16_t port = 1; port <= 200; ++port)
    bed.send(kFront, tagged(from_client(tcp_packet(flow("192.0.2.10", port, "192.0.2.1", 22), kSyn)), kVlan));
  const Bytes bgp = tagged(from_client(tcp_packet(flow("192.0.2.10", 5, "192.0.2.1", 179), kAck)), kVlan);
  bed.send(kFront, bgp);
  bed.run();
  const std::vector<Bytes> to_kernel = bed.received_by_kernel();
  EXPECT_EQ(to_kernel.back(), bgp);
  EXPECT_LT(to_kernel.size(), 200u);
  EXPECT_EQ(bed.dropped(DropReason::punt_rate), 201 - to_kernel.size());
}

TEST(Untag, a_device_of_vlans_alone_without_a_kernel_drops_the_untagged) {
  TestbedOptions options;
  options.front_vlan = kVlan;
  options.kernel_sees_all = false;
  Testbed bed(options);
  bed.expect_drop(kFront, syn(kIpv4Case), DropReason::unknown_vlan);
  bed.expect_drop(kFront, tagged(syn(kIpv4Case), 0), DropReason::unknown_vlan);
}

rte_mbuf* make_mbuf(Testbed& bed, const Bytes& frame, uint16_t headroom_bytes) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(bed.state().mbuf_pool);
  mbuf->data_off = headroom_bytes;
  std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
  return mbuf;
}

TEST(Untag, a_tag_beside_the_frame_counts_like_one_in_it) {
  TestbedOptions options = with_vlan();
  options.kernel_sees_all = false;
  Testbed bed(options);
  for (const uint16_t id : {kVlan, uint16_t{300}}) {
    rte_mbuf* mbuf = make_mbuf(bed, syn(kIpv4Case), RTE_PKTMBUF_HEADROOM);
    mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    mbuf->vlan_tci = static_cast<uint16_t>(0x6000 | id);
    bed.send(kFront, mbuf);
  }
  bed.run();
  EXPECT_EQ(bed.received(kBack).size(), 1u);
  EXPECT_EQ(bed.dropped(DropReason::unknown_vlan), 1u);
}

TEST(Untag, a_frame_without_room_for_the_tag_is_dropped) {
  Testbed bed(with_vlan());
  move_clients(bed);
  const Bytes at_backend = bed.forwarded(kFront, tagged(syn(kIpv4Case), kVlan), kBack);
  bed.send(kBack, make_mbuf(bed, syn_ack_to(at_backend), 2));
  bed.send(kBack, make_mbuf(bed, syn_ack_to(at_backend), 4));
  bed.run();
  only_tagged(bed);
  EXPECT_EQ(bed.dropped(DropReason::no_mbuf), 1u);
}

TEST(Untag, workers_hand_packets_of_a_vlan_over) {
  Testbed bed(with_vlan(2));
  move_clients(bed);
  for (uint16_t port = 1; port <= 40; ++port) {
    const Bytes at_backend = bed.forwarded(kFront, tagged(syn(kIpv4Case, port), kVlan), kBack, port % 2);
    bed.send(kBack, syn_ack_to(at_backend), (port / 2) % 2);
    bed.run();
    EXPECT_EQ(seen(only_tagged(bed)).dst_port, port);
  }
  EXPECT_GT(bed.total(&WorkerCounters::handed_in), 0u);
}

}  // namespace
}  // namespace millrace
