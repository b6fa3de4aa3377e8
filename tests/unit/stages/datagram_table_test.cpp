// datagram_table_test.cpp: datagrams by key, their two queues, the fragments that wait.
#include "dataplane/stages/datagram_table.h"

#include <gtest/gtest.h>

#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

// All of them in one bucket, as keys that collide are.
TableKey key(uint64_t number) { return {.low = 8192 * number, .high = number}; }

TEST(Datagram_table, finds_what_is_in_it_and_nothing_else) {
  DatagramTable table;
  for (uint64_t i = 0; i < 10; ++i) table.add(key(i), true, 0);
  for (uint64_t i = 0; i < 10; i += 2) table.remove(*table.find(key(i)));
  for (uint64_t i = 0; i < 10; ++i) {
    Datagram* found = table.find(key(i));
    EXPECT_EQ(found != nullptr, i % 2 == 1) << i;
    EXPECT_TRUE(found == nullptr || found->key == key(i));
  }
}

TEST(Datagram_table, has_room_for_so_many_and_again_for_what_left) {
  DatagramTable table;
  for (uint64_t i = 0; i < kDatagramMax; ++i) {
    ASSERT_TRUE(table.room());
    table.add({.low = i * 77, .high = i}, false, 0);
  }
  EXPECT_FALSE(table.room());
  table.remove(*table.oldest_waiting());
  EXPECT_TRUE(table.room());
}

TEST(Datagram_table, both_queues_are_oldest_first) {
  DatagramTable table;
  for (uint64_t i = 0; i < 4; ++i) table.add(key(i), true, static_cast<Ms>(i));
  EXPECT_EQ(table.oldest_waiting()->key, key(0));
  EXPECT_EQ(table.oldest_decided(), nullptr);
  table.decide(*table.find(key(2)), DatagramState::followed, 10);
  table.decide(*table.find(key(0)), DatagramState::refused, 11);
  EXPECT_EQ(table.oldest_waiting()->key, key(1));
  EXPECT_EQ(table.oldest_decided()->key, key(2));
  EXPECT_EQ(table.oldest_decided()->deadline_ms, 10 + kFragmentTimeoutMs);
  table.remove(*table.oldest_decided());
  EXPECT_EQ(table.oldest_decided()->key, key(0));
  table.remove(*table.find(key(1)));
  EXPECT_EQ(table.oldest_waiting()->key, key(3));
}

TEST(Datagram_table, what_is_released_comes_out_in_order_behind_what_was_ready) {
  DatagramTable table;
  wire::Frame frames[4] = {wire::Frame({1}), wire::Frame({2}), wire::Frame({3}), wire::Frame({4})};
  Datagram& one = table.add(key(1), true, 0);
  Datagram& other = table.add(key(2), true, 0);
  table.hold(one, &frames[0].mbuf());
  table.hold(other, &frames[1].mbuf());
  table.hold(one, &frames[2].mbuf());
  table.hold(other, &frames[3].mbuf());
  EXPECT_EQ(table.held_count(), 4u);
  EXPECT_FALSE(table.has_ready());
  table.release(other);
  table.release(one);
  EXPECT_EQ(table.held_count(), 4u) << "they still wait for the next turn";
  for (const unsigned i : {1, 3, 0, 2}) {
    EXPECT_TRUE(table.has_ready());
    rte_mbuf* mbuf = table.take_ready();
    EXPECT_EQ(mbuf, &frames[i].mbuf());
    EXPECT_EQ(mbuf->next, nullptr);
  }
  EXPECT_EQ(table.take_ready(), nullptr);
  EXPECT_EQ(table.held_count(), 0u);
}

TEST(Datagram_table, what_is_given_up_is_taken_one_by_one) {
  DatagramTable table;
  wire::Frame frames[2] = {wire::Frame({1}), wire::Frame({2})};
  Datagram& datagram = table.add(key(1), true, 0);
  for (wire::Frame& frame : frames) table.hold(datagram, &frame.mbuf());
  EXPECT_EQ(table.take_held(datagram), &frames[0].mbuf());
  EXPECT_EQ(table.take_held(datagram), &frames[1].mbuf());
  EXPECT_EQ(table.take_held(datagram), nullptr);
  EXPECT_EQ(table.held_count(), 0u);
}

}  // namespace
}  // namespace millrace
