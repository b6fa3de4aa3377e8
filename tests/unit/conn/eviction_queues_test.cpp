// eviction_queues_test.cpp: lines in the order of joining, and which state stands in which.
#include "dataplane/conn/eviction_queues.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace millrace {
namespace {

constexpr EvictionQueue kEmbryonic = EvictionQueue::embryonic, kClosing = EvictionQueue::closing;
constexpr ConnIndex kFirst{100};

ConnIndex at(uint32_t place) { return ConnIndex{raw(kFirst) + place}; }

TEST(EvictionQueues_oldest, is_who_came_first) {
  EvictionQueues queues(kFirst, 8);
  EXPECT_EQ(queues.oldest(kEmbryonic), kNoConn);
  for (const uint32_t place : {7u, 0u, 3u}) queues.put(at(place), kEmbryonic);
  EXPECT_EQ(queues.oldest(kEmbryonic), at(7));
  EXPECT_EQ(queues.oldest(kClosing), kNoConn);
  queues.put(at(7), kEmbryonic);
  EXPECT_EQ(queues.oldest(kEmbryonic), at(0)) << "who is put again goes to the end";
  queues.put(at(0), kClosing);
  EXPECT_EQ(queues.oldest(kEmbryonic), at(3));
  EXPECT_EQ(queues.oldest(kClosing), at(0));
  queues.put(at(3), EvictionQueue::none);
  queues.put(at(3), EvictionQueue::none);
  EXPECT_EQ(queues.oldest(kEmbryonic), at(7));
}

TEST(EvictionQueues, the_same_as_plain_lists) {
  std::mt19937 random(1);
  constexpr uint32_t kCount = 16;
  EvictionQueues queues(kFirst, kCount);
  std::array<std::deque<ConnIndex>, kEvictionQueueCount> plain;
  for (unsigned step = 0; step < 20'000; ++step) {
    const ConnIndex index = at(random() % kCount);
    const auto queue = static_cast<EvictionQueue>(random() % (kEvictionQueueCount + 1));
    for (std::deque<ConnIndex>& line : plain) std::erase(line, index);
    if (queue != EvictionQueue::none) plain[static_cast<size_t>(queue)].push_back(index);
    queues.put(index, queue);
    for (unsigned i = 0; i < kEvictionQueueCount; ++i)
      ASSERT_EQ(queues.oldest(static_cast<EvictionQueue>(i)), plain[i].empty() ? kNoConn : plain[i].front());
  }
}

TEST(Eviction_queue_of, every_state) {
  ConnEntry entry{};
  const auto queue_of = [&](ConnState state) {
    entry.state = state;
    return eviction_queue_of(entry);
  };
  EXPECT_EQ(queue_of(ConnState::syn_sent), kEmbryonic);
  EXPECT_EQ(queue_of(ConnState::syn_received), kEmbryonic);
  EXPECT_EQ(queue_of(ConnState::time_wait), kClosing);
  EXPECT_EQ(queue_of(ConnState::closed), kClosing);
  EXPECT_EQ(queue_of(ConnState::open), EvictionQueue::unanswered);
  entry.backend_seen_ms = 1;
  for (const ConnState state : {ConnState::open, ConnState::established, ConnState::client_fin, ConnState::backend_fin})
    EXPECT_EQ(queue_of(state), EvictionQueue::none);
  entry.spliced = 1;
  for (const ConnState state : {ConnState::hello, ConnState::connect, ConnState::header, ConnState::closed})
    EXPECT_EQ(queue_of(state), EvictionQueue::none) << "its client has proven itself";
}

}  // namespace
}  // namespace millrace
