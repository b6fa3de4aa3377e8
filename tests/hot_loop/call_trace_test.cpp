// call_trace_test.cpp: the trace sees what there is to see; otherwise its silence would prove nothing.
#include "tests/hot_loop/call_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

namespace millrace {

// Of external linkage and not inlined: a call by name, and one by address.
[[gnu::noinline]] int traced_leaf(int value) {
  asm volatile("" : "+r"(value));
  return value + 1;
}
int (*volatile traced_pointer)(int) = traced_leaf;
volatile int traced_sum = 0;

namespace {

TEST(trace_calls, counts_direct_and_indirect_calls) {
  const CallCounts counts = trace_calls([] {
    for (int i = 0; i < 10; ++i) traced_sum = traced_leaf(traced_sum);
    for (int i = 0; i < 5; ++i) traced_sum = traced_pointer(traced_sum);
  });
  EXPECT_EQ(counts.calls, 15u);
  ASSERT_EQ(counts.callees.size(), 1u) << counts.text();
  EXPECT_EQ(counts.callees[0].second, 15u);
  EXPECT_THAT(counts.text(), testing::HasSubstr("15 x millrace::traced_leaf(int)"));
  EXPECT_GT(counts.instructions, 15u * 3);
}

TEST(trace_calls, names_functions_of_shared_libraries) {
  traced_sum = getppid();  // bound from now on
  const CallCounts counts = trace_calls([] { traced_sum = getppid(); });
  EXPECT_EQ(counts.calls, 1u) << counts.text();
  EXPECT_THAT(counts.text(), testing::HasSubstr("getppid"));
}

TEST(trace_calls, nothing_is_nothing) {
  const CallCounts counts = trace_calls([] { traced_sum = traced_sum + 1; });
  EXPECT_EQ(counts.calls, 0u) << counts.text();
  EXPECT_EQ(counts.locked, 0u);
}

TEST(trace_calls, counts_locked_instructions) {
  static std::atomic<uint64_t> cell{0};
  const CallCounts counts = trace_calls([] {
    cell.fetch_add(1, std::memory_order_relaxed);
    cell.store(2, std::memory_order_seq_cst);  // an xchg
    cell.store(3, std::memory_order_release);
  });
  EXPECT_EQ(counts.locked, 2u);
}

}  // namespace
}  // namespace millrace
