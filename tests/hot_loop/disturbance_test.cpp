// disturbance_test.cpp: each kind of disturbance is seen; otherwise finding none would prove nothing.
#include "tests/hot_loop/disturbance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_malloc.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <vector>

namespace millrace {
namespace {

volatile long result = 0;

TEST(watch, plain_work_is_no_disturbance) {
  std::vector<int> numbers(1000, 1);
  const Disturbance seen = watch([&] {
    for (const int number : numbers) result = result + number;
  });
  EXPECT_TRUE(seen.none()) << seen.text();
}

TEST(watch, sees_a_system_call_and_lets_it_through) {
  const pid_t parent = getppid();
  const Disturbance seen = watch([] { result = getppid(); });
  EXPECT_TRUE(seen.system_call);
  EXPECT_EQ(seen.system_call_number, 110);
  EXPECT_THAT(seen.text(), testing::ContainsRegex("system call 110 by .*getppid .libc"));
  EXPECT_EQ(result, parent) << "it must have its effect all the same";
  EXPECT_TRUE(watch([] { result = 1; }).none()) << "what came before is forgotten";
}

TEST(watch, sees_a_sleep) {
  const timespec moment{.tv_sec = 0, .tv_nsec = 1};
  EXPECT_TRUE(watch([&] { nanosleep(&moment, nullptr); }).system_call);
}

TEST(watch, sees_allocations_of_every_kind) {
  std::vector<int> grows;
  void* memory = nullptr;
  EXPECT_EQ(watch([&] { grows.push_back(1); }).allocations, 1u);
  EXPECT_EQ(watch([&] { memory = std::malloc(10); }).allocations, 1u);
  EXPECT_EQ(watch([&] { memory = std::realloc(memory, 20); }).allocations, 1u);
  EXPECT_EQ(watch([&] { std::free(memory); }).allocations, 1u);
  EXPECT_GE(watch([&] { memory = rte_malloc(nullptr, 10, 0); }).allocations, 1u);
  EXPECT_GE(watch([&] { rte_free(memory); }).allocations, 1u);
}

TEST(watch, sees_locks) {
  std::mutex mutex;
  EXPECT_EQ(watch([&] { const std::lock_guard guard(mutex); }).locks, 1u);
}

}  // namespace
}  // namespace millrace
