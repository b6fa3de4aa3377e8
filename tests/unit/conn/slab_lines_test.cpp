// slab_lines_test.cpp: lines in the order of joining, and which state stands in which.
#include "dataplane/conn/slab_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace millrace {
namespace {

constexpr SlabLine kEmbryonic = SlabLine::embryonic, kClosing = SlabLine::closing;
constexpr ConnIndex kFirst{100};

ConnIndex at(uint32_t place) { return ConnIndex{raw(kFirst) + place}; }

TEST(SlabLines_oldest, is_who_came_first) {
  SlabLines lines(kFirst, 8);
  EXPECT_EQ(lines.oldest(kEmbryonic), kNoConn);
  for (const uint32_t place : {7u, 0u, 3u}) lines.put(at(place), kEmbryonic);
  EXPECT_EQ(lines.oldest(kEmbryonic), at(7));
  EXPECT_EQ(lines.oldest(kClosing), kNoConn);
  lines.put(at(7), kEmbryonic);
  EXPECT_EQ(lines.oldest(kEmbryonic), at(0)) << "who is put again goes to the end";
  lines.put(at(0), kClosing);
  EXPECT_EQ(lines.oldest(kEmbryonic), at(3));
  EXPECT_EQ(lines.oldest(kClosing), at(0));
  lines.put(at(3), SlabLine::none);
  lines.put(at(3), SlabLine::none);
  EXPECT_EQ(lines.oldest(kEmbryonic), at(7));
}

TEST(SlabLines, the_same_as_plain_lists) {
  std::mt19937 random(1);
  constexpr uint32_t kCount = 16;
  SlabLines lines(kFirst, kCount);
  std::array<std::deque<ConnIndex>, kSlabLineCount> plain;
  for (uint32_t i = 0; i < kCount; ++i) plain[static_cast<size_t>(SlabLine::free)].push_back(at(i));
  for (unsigned step = 0; step < 20'000; ++step) {
    const ConnIndex index = at(random() % kCount);
    const auto line = static_cast<SlabLine>(random() % (kSlabLineCount + 1));
    for (std::deque<ConnIndex>& others : plain) std::erase(others, index);
    if (line != SlabLine::none) plain[static_cast<size_t>(line)].push_back(index);
    lines.put(index, line);
    for (unsigned i = 0; i < kSlabLineCount; ++i)
      ASSERT_EQ(lines.oldest(static_cast<SlabLine>(i)), plain[i].empty() ? kNoConn : plain[i].front());
  }
}

TEST(Line_of, every_state) {
  ConnEntry entry{};
  const auto line = [&entry](ConnState state) {
    entry.state = state;
    return line_of(entry);
  };
  EXPECT_EQ(line(ConnState::syn_sent), kEmbryonic);
  EXPECT_EQ(line(ConnState::syn_received), kEmbryonic);
  EXPECT_EQ(line(ConnState::time_wait), kClosing);
  EXPECT_EQ(line(ConnState::closed), kClosing);
  EXPECT_EQ(line(ConnState::open), SlabLine::unanswered);
  entry.backend_seen_ms = 1;
  for (const ConnState state : {ConnState::open, ConnState::established, ConnState::client_fin, ConnState::backend_fin})
    EXPECT_EQ(line(state), SlabLine::none);
  entry.spliced = 1;
  for (const ConnState state : {ConnState::hello, ConnState::connect, ConnState::header, ConnState::closed})
    EXPECT_EQ(line(state), SlabLine::none) << "its client has proven itself";
}

}  // namespace
}  // namespace millrace
