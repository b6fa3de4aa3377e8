#include "dataplane/ports/unmap_grace.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <rte_rcu_qsbr.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

namespace millrace {
namespace {

constexpr size_t kBytes = 4096;
constexpr std::chrono::milliseconds kLongEnough{100};

class UnmapGrace : public testing::Test {
 protected:
  UnmapGrace() : workers_(static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, rte_rcu_qsbr_get_memsize(1))), &std::free) {
    rte_rcu_qsbr_init(workers_.get(), 1);
    rte_rcu_qsbr_thread_register(workers_.get(), 0);
    rte_rcu_qsbr_thread_online(workers_.get(), 0);
    shared_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  ~UnmapGrace() override { end_unmap_grace(); }

  // As DPDK's interrupt thread does: it is no lcore.
  std::thread unmapping() {
    return std::thread([this] {
      EXPECT_EQ(munmap(shared_, kBytes), 0);
      unmapped_.store(true, std::memory_order_release);
    });
  }
  bool unmapped() const { return unmapped_.load(std::memory_order_acquire); }

  std::unique_ptr<rte_rcu_qsbr, decltype(&std::free)> workers_;
  void* shared_ = MAP_FAILED;
  std::atomic<bool> unmapped_{false};
};

TEST_F(UnmapGrace, DriversCallThisProgramsMunmap) {
  EXPECT_EQ(dlsym(RTLD_DEFAULT, "munmap"), reinterpret_cast<void*>(&munmap));
  EXPECT_NE(dlsym(RTLD_NEXT, "munmap"), reinterpret_cast<void*>(&munmap));
}

TEST_F(UnmapGrace, WaitsForWorkersToBeQuiescent) {
  begin_unmap_grace(workers_.get());
  std::thread driver = unmapping();
  std::this_thread::sleep_for(kLongEnough);
  EXPECT_FALSE(unmapped());
  *static_cast<volatile char*>(shared_) = 1;  // what a worker in the middle of a burst does
  // Several, as the thread may not have begun to wait before the first.
  while (!unmapped()) rte_rcu_qsbr_quiescent(workers_.get(), 0);
  driver.join();
}

TEST_F(UnmapGrace, DoesNotWaitForSleepingWorkers) {
  begin_unmap_grace(workers_.get());
  rte_rcu_qsbr_thread_offline(workers_.get(), 0);
  unmapping().join();
  EXPECT_TRUE(unmapped());
}

TEST_F(UnmapGrace, WaitsForNobodyBeforeAndAfter) {
  begin_unmap_grace(workers_.get());
  end_unmap_grace();
  unmapping().join();
  EXPECT_TRUE(unmapped());
}

TEST_F(UnmapGrace, AnLcoreNeverWaits) {
  begin_unmap_grace(workers_.get());
  EXPECT_EQ(munmap(shared_, kBytes), 0);  // the test runs on the main lcore
}

}  // namespace
}  // namespace millrace
