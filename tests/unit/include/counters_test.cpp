#include "millrace/counters.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace millrace {
namespace {

TEST(Counter_add, counts_up_and_gauges_also_down) {
  Counter counter;
  EXPECT_EQ(counter.read(), 0u);
  counter.add(5);
  counter.add(uint64_t{1} << 40);
  EXPECT_EQ(counter.read(), (uint64_t{1} << 40) + 5);
  counter.sub(5);
  EXPECT_EQ(counter.read(), uint64_t{1} << 40);
  counter.set(3);
  EXPECT_EQ(counter.read(), 3u);
}

TEST(WorkerCounters_layout, gives_each_name_a_cell_of_its_own) {
  WorkerCounters counters;
  uint64_t value = 0;
  std::set<std::string> names;
#define X(name, unit, sentence) \
  counters.name.set(++value);   \
  EXPECT_TRUE(names.insert(#name).second) << #name;
  MR_WORKER_COUNTERS(X)
#undef X
  value = 0;
#define X(name, unit, sentence) EXPECT_EQ(counters.name.read(), ++value) << #name;
  MR_WORKER_COUNTERS(X)
#undef X
  for (const Counter& dropped : counters.dropped) EXPECT_EQ(dropped.read(), 0u);
}

TEST(WorkerCounters_layout, shares_no_cache_line_with_the_next_worker) {
  const std::vector<WorkerCounters> rows(2);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&rows[1]) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(rows[0].dropped) % 64, 0u);
}

// Names become metric labels and CLI text.
TEST(drop_reasons, have_distinct_label_names_and_sentences) {
  ASSERT_EQ(kDropReasonNames.size(), kDropReasonSentences.size());
  std::set<std::string_view> names, sentences;
  for (uint32_t i = 0; i < kDropReasonCount; ++i) {
    EXPECT_TRUE(names.insert(kDropReasonNames[i]).second) << kDropReasonNames[i];
    EXPECT_TRUE(sentences.insert(kDropReasonSentences[i]).second) << kDropReasonSentences[i];
    EXPECT_EQ(kDropReasonNames[i].find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string_view::npos)
        << kDropReasonNames[i];
  }
  EXPECT_EQ(kDropReasonNames[static_cast<size_t>(DropReason::no_config)], "no_config");
  EXPECT_EQ(kDropReasonNames[static_cast<size_t>(DropReason::short_l2)], "short_l2");
}

}  // namespace
}  // namespace millrace
