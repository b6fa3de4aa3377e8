// worker_test.cpp: the loop itself: sources in turn, full transmit queues, the kernel's side of a port, stopping.
#include "dataplane/worker.h"

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_rcu_qsbr.h>

#include <chrono>
#include <thread>

#include "dataplane/stages/outcome.h"
#include "dataplane/stages/stages.h"
#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::Bytes;

wire::Flow client(uint16_t port) { return flow("192.0.2.10", port, "203.0.113.10", 80); }

TEST(Worker, a_turn_takes_a_burst_and_asks_another_source_first_each_time) {
  Testbed bed;
  for (unsigned i = 0; i < 200; ++i) {
    bed.send(kFront, from_client(tcp_packet(flow("192.0.2.10", 1, "192.0.2.1", 22), kSyn)));
    bed.send(kBack, from_backend(tcp_packet(flow("10.0.0.1", 1, "192.0.2.1", 22), kSyn)));
  }
  EXPECT_EQ(worker_turn(bed.worker()), kBurstMax);
  EXPECT_EQ(bed.worker().burst.info[0].port, kFront);
  EXPECT_EQ(worker_turn(bed.worker()), kBurstMax);
  EXPECT_EQ(bed.worker().burst.info[0].port, kBack);
  bed.run();
  EXPECT_EQ(bed.total(&WorkerCounters::diverted), 400u);
  EXPECT_GE(bed.total(&WorkerCounters::bursts), 7u);
  EXPECT_GT(bed.total(&WorkerCounters::idle_polls), 0u);
}

TEST(Worker, a_turn_takes_what_it_is_told_to) {
  Testbed bed;
  bed.tell({.burst_packets = 8});
  for (unsigned i = 0; i < 20; ++i)
    bed.send(kFront, from_client(tcp_packet(flow("192.0.2.10", 1, "192.0.2.1", 22), kSyn)));
  EXPECT_EQ(worker_turn(bed.worker()), 8u);
  bed.run();
  EXPECT_EQ(bed.total(&WorkerCounters::diverted), 20u);
}

TEST(Worker, full_transmit_queue_drops_what_it_does_not_take) {
  TestbedOptions options;
  options.tx_ring_slots = 16;
  Testbed bed(options);
  for (uint16_t port = 1; port <= 40; ++port) bed.send(kFront, from_client(tcp_packet(client(port), kSyn)));
  bed.run();
  EXPECT_EQ(bed.received(kBack).size(), 15u);
  EXPECT_EQ(bed.dropped(DropReason::tx_full), 25u);
  EXPECT_EQ(bed.total(&WorkerCounters::tx_packets), 15u);
  const uint64_t frame_bytes = 14 + 20 + 20;
  EXPECT_EQ(bed.total(&WorkerCounters::tx_bytes), 15 * frame_bytes);
  EXPECT_EQ(bed.total(&WorkerCounters::rx_bytes), 40 * frame_bytes);
}

TEST(Worker, the_targets_of_the_last_port_are_flushed_too) {
  Testbed bed;
  Worker& worker = bed.worker();
  constexpr unsigned kLast = kTxTargetMax - 1;
  worker.tx[kLast] = worker.tx[nic_target(kBack)];
  const Bytes frame = from_client(tcp_packet(client(1), kSyn));
  rte_mbuf* mbuf = rte_pktmbuf_alloc(bed.state().mbuf_pool);
  std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
  transmit_to(worker, mbuf, kLast);
  transmit_burst(worker);
  EXPECT_EQ(bed.received(kBack), std::vector<Bytes>{frame});
}

TEST(Worker, kernel_side_of_a_port) {
  TestbedOptions options;
  options.with_exception_port = true;
  Testbed bed(options);
  const Bytes ssh = from_client(tcp_packet(flow("192.0.2.10", 5, "192.0.2.1", 22), kSyn));
  bed.send(kFront, ssh);
  bed.run();
  EXPECT_EQ(bed.received_by_kernel(), std::vector<Bytes>{ssh});
  EXPECT_EQ(bed.total(&WorkerCounters::diverted), 1u);
  EXPECT_EQ(bed.total(&WorkerCounters::tx_packets), 0u);

  const Bytes reply = wire::ether(kClientMac, kFrontMac, tcp_packet(flow("192.0.2.1", 22, "192.0.2.10", 5), kSynAck));
  bed.send_to_exception_port(reply);
  bed.run();
  EXPECT_EQ(bed.received(kFront), std::vector<Bytes>{reply});
  EXPECT_EQ(bed.total(&WorkerCounters::tx_packets), 1u);
  // What is ours does not reach the kernel.
  bed.forwarded(kFront, from_client(tcp_packet(client(9), kSyn)), kBack);
  EXPECT_TRUE(bed.received_by_kernel().empty());
}

TEST(Worker, runs_until_told_to_stop_and_lets_the_main_lcore_free) {
  for (const IdlePolicy idle : {IdlePolicy::adaptive, IdlePolicy::busy}) {
    Testbed bed;
    bed.state().idle = idle;
    bed.send(kFront, from_client(tcp_packet(client(1), kSyn)));
    std::thread lcore([&] {
      rte_thread_register();
      worker_run(bed.worker());
      rte_thread_unregister();
    });
    while (bed.total(&WorkerCounters::tx_packets) == 0) std::this_thread::yield();
    // A sleeping or a turning worker is quiet soon; this hangs otherwise.
    for (int i = 0; i < 20; ++i) {
      const uint64_t token = rte_rcu_qsbr_start(bed.state().qsbr);
      while (rte_rcu_qsbr_check(bed.state().qsbr, token, false) == 0) std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    bed.state().stop.store(true, std::memory_order_relaxed);
    lcore.join();
    EXPECT_EQ(bed.received(kBack).size(), 1u);
    EXPECT_NE(bed.state().worker_info[0].tid, 0u);
    const uint64_t busy = bed.total(&WorkerCounters::busy_cycles), all = bed.total(&WorkerCounters::total_cycles);
    EXPECT_GT(busy, 0u);
    EXPECT_LT(busy, all / 2) << "one packet in 30 ms";
  }
}

TEST(Worker, slab_shares_do_not_overlap) {
  TestbedOptions options;
  options.workers = 3;
  options.connections = 3000;
  Testbed bed(options);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(raw(bed.state().worker_info[i].slab_first), i * 1000);
    EXPECT_EQ(bed.state().worker_info[i].slab_count, 1000u);
  }
}

}  // namespace
}  // namespace millrace
