#include "dataplane/conn/slab.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace millrace {
namespace {

// A worker's share [100, 100 + count) of a larger slab.
class SlabTest : public testing::Test {
 protected:
  static constexpr uint32_t kFirst = 100;
  static constexpr uint32_t kCount = 8;
  std::vector<ConnEntry> entries_ = std::vector<ConnEntry>(kFirst + kCount + 4);
  Slab slab_{entries_.data(), ConnIndex{kFirst}, kCount};

  uint32_t generation(ConnIndex index) { return slab_[index].generation.load(); }
  ConnIndex open(ConnState state = ConnState::established) {
    const ConnIndex index = slab_.claim();
    slab_[index].state = state;
    slab_.publish(index);
    return index;
  }
};

using Slab_construct = SlabTest;
using Slab_claim = SlabTest;
using Slab_release = SlabTest;
using Slab_read_conn = SlabTest;

TEST_F(Slab_construct, starts_empty) {
  EXPECT_EQ(slab_.used(), 0u);
  EXPECT_EQ(slab_.capacity(), kCount);
  EXPECT_EQ(slab_.first(), ConnIndex{kFirst});
}

TEST_F(Slab_construct, frees_what_a_killed_process_left_and_keeps_counting_generations) {
  entries_[kFirst].state = ConnState::established;
  entries_[kFirst].generation.store(6);
  entries_[kFirst + 1].state = ConnState::syn_sent;
  entries_[kFirst + 1].generation.store(9);           // killed between claim and publish
  entries_[kFirst + kCount].state = ConnState::open;  // another worker's

  const Slab again(entries_.data(), ConnIndex{kFirst}, kCount);

  EXPECT_EQ(entries_[kFirst].state, ConnState::free);
  EXPECT_EQ(entries_[kFirst].generation.load(), 6u);
  EXPECT_EQ(entries_[kFirst + 1].state, ConnState::free);
  EXPECT_EQ(entries_[kFirst + 1].generation.load(), 10u);
  EXPECT_EQ(entries_[kFirst + kCount].state, ConnState::open);
}

TEST_F(Slab_claim, gives_each_entry_of_the_share_once_and_then_no_conn) {
  std::set<uint32_t> seen;
  for (uint32_t i = 0; i < kCount; ++i) {
    const ConnIndex index = slab_.claim();
    ASSERT_GE(raw(index), kFirst);
    ASSERT_LT(raw(index), kFirst + kCount);
    EXPECT_TRUE(seen.insert(raw(index)).second);
    EXPECT_EQ(slab_.used(), i + 1);
  }
  EXPECT_EQ(slab_.claim(), kNoConn);
  EXPECT_EQ(slab_.used(), kCount);
}

TEST_F(Slab_claim, leaves_the_generation_odd_and_everything_else_zero) {
  const ConnIndex index = open();
  slab_[index].backend6.fill(0xff);
  slab_[index].client4.raw = 7;
  slab_.release(index);
  const uint32_t before = generation(index);
  ConnIndex again;
  do again = slab_.claim();
  while (again != index);

  EXPECT_EQ(generation(index), before + 1);
  EXPECT_EQ(generation(index) & 1, 1u);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&slab_[index]);
  for (size_t i = sizeof(uint32_t); i < sizeof(ConnEntry); ++i) EXPECT_EQ(bytes[i], 0) << "byte " << i;
}

TEST_F(Slab_claim, uses_a_freed_entry_as_late_as_possible) {
  std::vector<ConnIndex> order;
  for (uint32_t i = 0; i < kCount; ++i) order.push_back(open());
  // Freed in an order of their own, they come back in that order.
  const std::vector<uint32_t> freed = {3, 0, 7, 5, 1, 2, 6, 4};
  for (uint32_t i : freed) slab_.release(order[i]);
  for (uint32_t i : freed) EXPECT_EQ(slab_.claim(), order[i]);
}

TEST_F(Slab_claim, goes_round_the_whole_share_with_one_connection_at_a_time) {
  std::set<uint32_t> seen;
  for (uint32_t i = 0; i < kCount; ++i) {
    const ConnIndex index = open();
    slab_.release(index);
    EXPECT_TRUE(seen.insert(raw(index)).second) << "used again after " << i << " others";
  }
  EXPECT_TRUE(seen.contains(raw(slab_.claim())));
}

TEST_F(Slab_release, raises_the_generation_by_two_a_use) {
  const ConnIndex index = open();
  EXPECT_EQ(generation(index), 2u);
  slab_.release(index);
  EXPECT_EQ(generation(index), 2u);
  EXPECT_EQ(slab_.used(), 0u);
}

TEST_F(Slab_release, takes_back_an_entry_that_was_never_published) {
  const ConnIndex index = slab_.claim();
  slab_[index].state = ConnState::syn_sent;
  slab_.release(index);
  EXPECT_EQ(generation(index), 2u);
  EXPECT_EQ(slab_[index].state, ConnState::free);
  EXPECT_EQ(slab_.used(), 0u);
}

TEST_F(Slab_release, random_use_never_gives_an_entry_twice) {
  std::vector<ConnIndex> held;
  uint32_t random = 12345;
  for (int i = 0; i < 10'000; ++i) {
    random = random * 1664525 + 1013904223;
    if ((random >> 16) % 2 == 0 && held.size() < kCount) {
      const ConnIndex index = open();
      for (ConnIndex other : held) ASSERT_NE(index, other);
      held.push_back(index);
    } else if (!held.empty()) {
      const size_t which = (random >> 20) % held.size();
      slab_.release(held[which]);
      held.erase(held.begin() + static_cast<ptrdiff_t>(which));
    }
    ASSERT_EQ(slab_.used(), held.size());
  }
}

// A reader of the other process at each place between two steps of the worker.
TEST_F(Slab_read_conn, sees_a_connection_only_between_publish_and_release) {
  ConnEntry copy{};
  const ConnIndex index = slab_.claim();
  EXPECT_FALSE(read_conn(slab_[index], copy)) << "claimed";
  slab_[index].state = ConnState::syn_sent;
  slab_[index].client4.raw = 42;
  EXPECT_FALSE(read_conn(slab_[index], copy)) << "filled, not published";
  slab_.publish(index);
  ASSERT_TRUE(read_conn(slab_[index], copy));
  EXPECT_EQ(copy.client4.raw, 42u);
  EXPECT_EQ(copy.state, ConnState::syn_sent);
  slab_.release(index);
  EXPECT_FALSE(read_conn(slab_[index], copy)) << "released";
}

// The worker closes and reopens the entry between the two generation loads of a slow reader: read_conn's own steps,
// one by one, with the worker's in between.
TEST_F(Slab_read_conn, generation_tells_a_reader_that_the_entry_changed_hands_meanwhile) {
  ConnIndex index = open();
  const uint32_t before = generation(index);
  ASSERT_EQ(before & 1, 0u);
  slab_.release(index);
  EXPECT_EQ(generation(index), before) << "a copy made of the closed entry is whole; its state says free";
  ConnIndex again;
  do again = slab_.claim();
  while (again != index);
  EXPECT_NE(generation(index), before) << "claimed";
  slab_.publish(index);
  EXPECT_NE(generation(index), before) << "published again";
  slab_.release(index);
  EXPECT_NE(generation(index), before) << "released again";
}

// Real concurrency: every copy that read_conn vouches for must be of one use of the entry.
TEST_F(Slab_read_conn, never_mixes_two_uses_of_an_entry) {
  constexpr uint64_t kCopies = 20'000;
  std::vector<ConnEntry> entries(1);
  Slab slab(entries.data(), ConnIndex{0}, 1);
  std::atomic<uint64_t> copies{0};
  uint64_t torn = 0;
  std::thread reader([&] {
    ConnEntry copy{};
    while (copies.load(std::memory_order_relaxed) < kCopies) {
      if (!read_conn(entries[0], copy)) continue;
      copies.fetch_add(1, std::memory_order_relaxed);
      const uint8_t mark = copy.backend6[15];
      const bool whole = copy.client4.raw == mark * 0x0101'0101u && copy.client6[0] == mark && copy.vip6[7] == mark;
      torn += whole ? 0 : 1;
    }
  });
  for (uint32_t round = 0; copies.load(std::memory_order_relaxed) < kCopies; ++round) {
    ConnEntry& entry = slab[slab.claim()];
    const auto mark = static_cast<uint8_t>(round);
    entry.client4.raw = mark * 0x0101'0101u;
    entry.client6.fill(mark);
    entry.vip6.fill(mark);
    entry.backend6.fill(mark);
    entry.state = ConnState::established;
    slab.publish(ConnIndex{0});
    // Where both share a core, the reader gets its turn at every stage of the entry's life.
    if (round % 64 == 0) std::this_thread::yield();
    slab.release(ConnIndex{0});
    if (round % 64 == 32) std::this_thread::yield();
  }
  reader.join();
  EXPECT_EQ(torn, 0u) << "of " << kCopies;
}

}  // namespace
}  // namespace millrace
