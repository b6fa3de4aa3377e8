#include "millrace/shared_ring.h"

#include <gtest/gtest.h>
#include <rte_ring_elem.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "millrace/messages.h"

namespace millrace {
namespace {

constexpr uint32_t kSlots = 6;  // rte_ring makes 8 places of it

// A ring in the middle of memory that must not be touched.
class SharedRingTest : public testing::Test {
 protected:
  static constexpr size_t kGuardBytes = 4096;
  static constexpr std::byte kGuard{0xa5};

  SharedRingTest() {
    std::memset(memory_.get(), static_cast<int>(kGuard), kGuardBytes * 2 + bytes_);
    producer_ = SharedRing<Event>::create(ring_memory(), bytes_, kSlots);
    consumer_ = SharedRing<Event>::join(ring_memory(), bytes_, kSlots);
  }
  ~SharedRingTest() override {
    for (size_t i = 0; i < kGuardBytes; ++i) {
      EXPECT_EQ(memory_.get()[i], kGuard);
      EXPECT_EQ(memory_.get()[kGuardBytes + bytes_ + i], kGuard);
    }
  }
  std::byte* ring_memory() { return memory_.get() + kGuardBytes; }
  rte_ring& header() { return *reinterpret_cast<rte_ring*>(ring_memory()); }
  void set_positions(uint32_t sent, uint32_t received) {
    header().prod.head = sent;
    header().prod.tail = sent;
    header().cons.head = received;
    header().cons.tail = received;
  }
  static Event event(uint32_t count) {
    Event made;
    made.count = count;
    return made;
  }

  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  const size_t bytes_ = shared_ring_bytes(sizeof(Event), kSlots);
  std::unique_ptr<std::byte, Free> memory_{static_cast<std::byte*>(std::aligned_alloc(4096, kGuardBytes * 2 + 4096))};
  std::optional<SharedRing<Event>> producer_;
  std::optional<SharedRing<Event>> consumer_;
};

using SharedRing_send = SharedRingTest;
using SharedRing_join = SharedRingTest;
using SharedRing_sound = SharedRingTest;
using SharedRing_rte_ring = SharedRingTest;

TEST(shared_ring_bytes, agrees_with_rte_ring) {
  for (const uint32_t slots : {1u, 6u, 7u, 8u, 4096u})
    EXPECT_EQ(shared_ring_bytes(256, slots),
              static_cast<size_t>(rte_ring_get_memsize_elem(256, shared_ring_places(slots))));
  EXPECT_EQ(shared_ring_bytes(256, 0), 0u);
  EXPECT_EQ(shared_ring_bytes(0, 8), 0u);
  EXPECT_EQ(shared_ring_bytes(6, 8), 0u);
  EXPECT_EQ(shared_ring_bytes(4, 0xffff'ffff), 0u);
}

TEST_F(SharedRing_send, keeps_order_and_takes_exactly_its_slots) {
  ASSERT_TRUE(producer_ && consumer_);
  Event received;
  EXPECT_FALSE(consumer_->try_receive(received));
  for (uint32_t round = 0; round < 100; ++round) {
    for (uint32_t i = 0; i < kSlots; ++i) ASSERT_TRUE(producer_->try_send(event(round * 10 + i)));
    EXPECT_FALSE(producer_->try_send(event(0)));
    for (uint32_t i = 0; i < kSlots; ++i) {
      ASSERT_TRUE(consumer_->try_receive(received));
      EXPECT_EQ(received.count, round * 10 + i);
    }
    EXPECT_FALSE(consumer_->try_receive(received));
    EXPECT_TRUE(producer_->sound() && consumer_->sound());
  }
}

TEST_F(SharedRing_send, positions_may_wrap) {
  set_positions(0xffff'fffd, 0xffff'fffd);
  producer_ = SharedRing<Event>::join(ring_memory(), bytes_, kSlots);
  consumer_ = SharedRing<Event>::join(ring_memory(), bytes_, kSlots);
  Event received;
  for (uint32_t i = 0; i < kSlots; ++i) ASSERT_TRUE(producer_->try_send(event(i)));
  EXPECT_FALSE(producer_->try_send(event(0)));
  for (uint32_t i = 0; i < kSlots; ++i) {
    ASSERT_TRUE(consumer_->try_receive(received));
    EXPECT_EQ(received.count, i);
  }
}

TEST_F(SharedRing_send, crosses_threads) {
  constexpr uint32_t kCount = 20'000;
  std::thread sender([&] {
    for (uint32_t i = 0; i < kCount;)
      if (producer_->try_send(event(i)))
        ++i;
      else
        std::this_thread::yield();
  });
  Event received;
  for (uint32_t i = 0; i < kCount;) {
    if (!consumer_->try_receive(received)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(received.count, i);
    ++i;
  }
  sender.join();
}

TEST_F(SharedRing_join, goes_on_where_the_last_one_ended) {
  for (uint32_t i = 0; i < 4; ++i) producer_->try_send(event(i));
  Event received;
  consumer_->try_receive(received);
  auto next_consumer = SharedRing<Event>::join(ring_memory(), bytes_, kSlots);
  auto next_producer = SharedRing<Event>::join(ring_memory(), bytes_, kSlots);
  ASSERT_TRUE(next_consumer && next_producer);
  ASSERT_TRUE(next_producer->try_send(event(4)));
  for (uint32_t i = 1; i < 5; ++i) {
    ASSERT_TRUE(next_consumer->try_receive(received));
    EXPECT_EQ(received.count, i);
  }
}

TEST_F(SharedRing_join, refuses_what_is_no_such_ring) {
  EXPECT_FALSE(SharedRing<Event>::join(nullptr, bytes_, kSlots));
  EXPECT_FALSE(SharedRing<Event>::join(ring_memory(), bytes_ - 64, kSlots));
  EXPECT_FALSE(SharedRing<Event>::join(ring_memory(), bytes_, kSlots - 1));
  EXPECT_FALSE(SharedRing<Event>::join(ring_memory() + 4, bytes_, kSlots));
  EXPECT_FALSE(SharedRing<Event>::create(ring_memory() + 4, bytes_, kSlots));
  EXPECT_FALSE(SharedRing<Event>::create(ring_memory(), bytes_, kSlots * 2));
}

TEST_F(SharedRing_sound, any_wrong_geometry_stops_both_ends) {
  producer_->try_send(event(1));
  Event received;
  alignas(rte_ring) std::byte good[sizeof(rte_ring)];
  std::memcpy(good, ring_memory(), sizeof good);
  const auto refuses_all = [&](const char* what) {
    EXPECT_FALSE(producer_->sound()) << what;
    EXPECT_FALSE(consumer_->sound()) << what;
    EXPECT_FALSE(producer_->try_send(event(2))) << what;
    EXPECT_FALSE(consumer_->try_receive(received)) << what;
    EXPECT_FALSE(SharedRing<Event>::join(ring_memory(), bytes_, kSlots)) << what;
    std::memcpy(ring_memory(), good, sizeof good);
  };
  header().size = 1u << 30;
  refuses_all("size");
  header().mask = 0xffff'ffff;
  refuses_all("mask");
  header().capacity = 8;
  refuses_all("capacity");
  header().flags = 0;
  refuses_all("flags");
  header().prod.sync_type = RTE_RING_SYNC_MT_HTS;
  refuses_all("producer's sync type");
  header().cons.sync_type = RTE_RING_SYNC_MT;
  refuses_all("consumer's sync type");
  EXPECT_TRUE(consumer_->try_receive(received));
}

TEST_F(SharedRing_sound, more_in_use_than_slots_is_corrupt) {
  Event received;
  header().prod.tail = kSlots + 1;
  EXPECT_FALSE(consumer_->sound());
  EXPECT_FALSE(consumer_->try_receive(received));
  header().prod.tail = 0xffff'ffff;
  EXPECT_FALSE(consumer_->sound());
  EXPECT_FALSE(consumer_->try_receive(received));
  header().prod.tail = 0;
  header().cons.tail = 1;  // the consumer claims to have read what was never sent
  EXPECT_FALSE(producer_->sound());
  EXPECT_FALSE(producer_->try_send(event(1)));
}

// The peer may move our own position in the header: it counts for nothing.
TEST_F(SharedRing_sound, a_moved_position_leads_nowhere_else) {
  for (uint32_t i = 0; i < 3; ++i) producer_->try_send(event(i));
  set_positions(3, 2);
  Event received;
  ASSERT_TRUE(consumer_->try_receive(received));
  EXPECT_EQ(received.count, 0u);
}

TEST_F(SharedRing_rte_ring, its_own_functions_read_and_write_it_too) {
  ASSERT_TRUE(producer_->try_send(event(1)));
  ASSERT_TRUE(producer_->try_send(event(2)));
  Event received;
  ASSERT_EQ(rte_ring_sc_dequeue_elem(&header(), &received, sizeof received), 0);
  EXPECT_EQ(received.count, 1u);
  EXPECT_EQ(rte_ring_count(&header()), 1u);
  Event third = event(3);
  ASSERT_EQ(rte_ring_sp_enqueue_elem(&header(), &third, sizeof third), 0);
  auto joined = SharedRing<Event>::join(ring_memory(), bytes_, kSlots);
  ASSERT_TRUE(joined);
  ASSERT_TRUE(joined->try_receive(received));
  EXPECT_EQ(received.count, 2u);
  ASSERT_TRUE(joined->try_receive(received));
  EXPECT_EQ(received.count, 3u);
}

}  // namespace
}  // namespace millrace
