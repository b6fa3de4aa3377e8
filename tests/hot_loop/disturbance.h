// disturbance.h: what a packet path must not do: system calls, heap allocation, locks; counted for this thread while
// it is watched.
// How:    system calls: Linux's syscall user dispatch (5.11 and later) raises SIGSYS in place of the first one, which
//         is noted and then let through, with all that follow. The vDSO makes none. The rest: this executable's own
//         malloc, pthread_mutex_lock and so on stand before those of libc for every shared library; they count and pass
//         on. Also DPDK's heap. Its spinlocks are inlined: call_trace.h sees those.
// Thread: the one that begins is watched; one at a time.
// Tests:  tests/hot_loop/disturbance_test.cpp
#pragma once

#include <cstdint>
#include <string>

namespace millrace {

struct Disturbance {
  bool system_call = false;
  long system_call_number = 0;
  uintptr_t system_call_address = 0;  // behind the instruction
  uint64_t allocations = 0;           // malloc and its kin, operator new among them, rte_malloc and its kin; and free
  uint64_t locks = 0;                 // pthread mutexes, spinlocks, read-write locks

  bool none() const { return !system_call && allocations == 0 && locks == 0; }
  std::string text() const;
};

// Throws std::runtime_error when the kernel cannot watch.
void begin_watch();
Disturbance end_watch();

template <typename Run>
Disturbance watch(Run run) {
  begin_watch();
  run();
  return end_watch();
}

}  // namespace millrace
