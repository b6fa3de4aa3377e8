#include "dataplane/stages/hold_queue.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace {
namespace {

rte_mbuf* packet(uintptr_t number) { return reinterpret_cast<rte_mbuf*>(number * 64); }

RouteHop hop(uint32_t number) {
  return {.port = static_cast<PortIndex>(number % 2), .next_hop = IpAddr::from_ipv4(Be32::from_host(number))};
}

std::vector<rte_mbuf*> sweep_all(HoldQueue& queue, Ms now_ms, bool take_overdue_only) {
  std::vector<rte_mbuf*> taken;
  queue.sweep(now_ms, [&](rte_mbuf* mbuf, const RouteHop&, bool overdue) {
    if (take_overdue_only && !overdue) return HoldQueue::Verdict::keep;
    taken.push_back(mbuf);
    return HoldQueue::Verdict::gone;
  });
  return taken;
}

TEST(HoldQueue, tells_the_first_packet_of_a_hop) {
  HoldQueue queue;
  EXPECT_EQ(queue.add(packet(1), hop(1), 0), HoldQueue::Added::first_of_hop);
  EXPECT_EQ(queue.add(packet(2), hop(1), 0), HoldQueue::Added::another);
  EXPECT_EQ(queue.add(packet(3), hop(2), 0), HoldQueue::Added::first_of_hop);
}

TEST(HoldQueue, one_hop_leaves_room_for_others) {
  HoldQueue queue;
  for (unsigned i = 0; i < kHeldPerHopMax; ++i) ASSERT_NE(queue.add(packet(i), hop(1), 0), HoldQueue::Added::refused);
  EXPECT_EQ(queue.add(packet(99), hop(1), 0), HoldQueue::Added::refused);
  EXPECT_EQ(queue.add(packet(99), hop(2), 0), HoldQueue::Added::first_of_hop);
}

TEST(HoldQueue, refuses_when_full_and_has_room_again) {
  HoldQueue queue;
  for (unsigned i = 0; i < kHeldMax; ++i) ASSERT_NE(queue.add(packet(i), hop(i), 0), HoldQueue::Added::refused);
  EXPECT_EQ(queue.add(packet(0), hop(kHeldMax), 0), HoldQueue::Added::refused);
  EXPECT_EQ(sweep_all(queue, 1, false).size(), kHeldMax);
  EXPECT_EQ(queue.count(), 0u);
  EXPECT_EQ(queue.add(packet(0), hop(0), 1), HoldQueue::Added::first_of_hop);
}

TEST(HoldQueue, sweeps_in_order_and_keeps_what_is_not_due) {
  HoldQueue queue;
  const Ms start = 0xffff'ff00;  // the clock wraps while they wait
  queue.add(packet(1), hop(1), start);
  queue.add(packet(2), hop(1), start);
  queue.add(packet(3), hop(1), start + 1000);
  EXPECT_TRUE(sweep_all(queue, start + kHoldMs - 1, true).empty());
  EXPECT_EQ(sweep_all(queue, start + kHoldMs, true), (std::vector{packet(1), packet(2)}));
  EXPECT_EQ(queue.count(), 1u);
  EXPECT_EQ(sweep_all(queue, start + kHoldMs + 1000, true), std::vector{packet(3)});
}

}  // namespace
}  // namespace millrace
