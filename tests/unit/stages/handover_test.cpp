// handover_test.cpp: several workers, with packets that arrive anywhere.
#include "dataplane/stages/handover.h"

#include <gtest/gtest.h>
#include <rte_ring.h>

#include <cstring>
#include <set>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr unsigned kFlows = 200;

wire::Flow client(unsigned i, const FamilyCase& ends) {
  return flow(ends.client, static_cast<uint16_t>(30'000 + i), ends.vip, 80);
}

struct Spread {
  Mode mode;
  unsigned workers;
  uint16_t queues;
};
class Handover : public testing::TestWithParam<Spread> {
 protected:
  TestbedOptions options() const {
    TestbedOptions options;
    options.workers = GetParam().workers;
    options.queues = GetParam().queues;
    options.connections = 4096;
    options.services = {TestService{.mode = GetParam().mode}};
    return options;
  }
};

// Each packet of a connection comes by another queue, so most of them at a worker that is not its own.
TEST_P(Handover, connections_work_whoever_gets_their_packets) {
  Testbed bed(options());
  const uint16_t queues = GetParam().queues;
  std::set<WorkerIndex> owners;
  for (const FamilyCase& ends : {kIpv4Case, kIpv6Case}) {
    for (unsigned i = 0; i < kFlows; ++i) {
      const auto queue = static_cast<uint16_t>(i % queues);
      const auto other = static_cast<uint16_t>((i + 1) % queues);
      const wire::Flow from = client(i, ends);
      const wire::Flow answer = answer_to(bed.forwarded(kFront, from_client(tcp_packet(from, kSyn)), kBack, queue));
      const Seen back = seen(bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront, other));
      ASSERT_EQ(back.dst_port, from.src_port);
      bed.forwarded(kFront, from_client(tcp_packet(from, kAck)), kBack, other);
      bed.forwarded(kBack, from_backend(tcp_packet(answer, kAck, {1})), kFront, queue);
    }
  }
  for (const ConnEntry& entry : bed.state().slab) {
    if (entry.state == ConnState::free) continue;
    EXPECT_EQ(entry.state, ConnState::established);
    owners.insert(entry.owner);
  }
  EXPECT_EQ(owners.size(), GetParam().workers);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), 2 * kFlows);
  EXPECT_EQ(bed.total(&WorkerCounters::handed_in), bed.total(&WorkerCounters::handed_out));
  EXPECT_GT(bed.total(&WorkerCounters::handed_in), 0u);
}

INSTANTIATE_TEST_SUITE_P(Spreads, Handover,
                         testing::Values(Spread{Mode::fullnat, 2, 2}, Spread{Mode::nat, 2, 2},
                                         Spread{Mode::fullnat, 2, 1}, Spread{Mode::nat, 2, 1},
                                         Spread{Mode::fullnat, 3, 2}, Spread{Mode::nat, 4, 4}),
                         [](const testing::TestParamInfo<Spread>& param) {
                           return std::string(param.param.mode == Mode::nat ? "nat_" : "fullnat_") +
                                  std::to_string(param.param.workers) + "_workers_" +
                                  std::to_string(param.param.queues) + "_queues";
                         });

// Which worker a first packet belongs to.
WorkerIndex owner_of(const Testbed& bed, const wire::Flow& from) {
  return const_cast<Testbed&>(bed).state().owner->of_fullnat(from.src, Be16::from_host(from.src_port), from.dst,
                                                             Be16::from_host(from.dst_port));
}

TEST(HandoverRing, full_ring_drops_and_counts) {
  TestbedOptions options;
  options.workers = 2;
  Testbed bed(options);
  wire::Flow from = client(0, kIpv4Case);
  while (owner_of(bed, from) != WorkerIndex{1}) ++from.src_port;
  const Bytes frame = from_client(tcp_packet(from, kSyn));
  constexpr unsigned kSent = 1500;
  for (unsigned i = 0; i < kSent; ++i) {
    bed.send(kFront, frame, 0);
    worker_turn(bed.worker(0));  // worker 1 does not run meanwhile
  }
  const unsigned room = kHandoverRingSlots - 1;
  EXPECT_EQ(bed.total(&WorkerCounters::handed_out), room);
  EXPECT_EQ(bed.dropped(DropReason::handover_full), kSent - room);
  bed.run();
  EXPECT_EQ(bed.total(&WorkerCounters::handed_in), room);
  EXPECT_EQ(bed.received(kBack).size(), room);
}

// Workers that disagree about a packet must not play ball with it.
TEST(HandoverRing, packet_for_a_third_worker_ends) {
  TestbedOptions options;
  options.workers = 2;
  Testbed bed(options);
  wire::Flow from = client(0, kIpv4Case);
  while (owner_of(bed, from) != WorkerIndex{0}) ++from.src_port;
  const Bytes frame = from_client(tcp_packet(from, kSyn));
  rte_mbuf* mbuf = rte_pktmbuf_alloc(bed.state().mbuf_pool);
  std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
  const HandoverNote note{.kind = HandoverKind::packet, .port = kFront};
  std::memcpy(rte_mbuf_to_priv(mbuf), &note, sizeof note);
  // As if worker 0 had handed it to worker 1, though it is worker 0's own.
  ASSERT_EQ(rte_ring_enqueue(bed.state().handover[0 * 2 + 1], mbuf), 0);
  bed.worker(0).counters.handed_out.add(1);
  bed.worker(0).counters.rx_packets.add(1);
  bed.run();
  EXPECT_EQ(bed.dropped(DropReason::no_connection), 1u);
}

}  // namespace
}  // namespace millrace
