// call_trace.h: every call and every locked instruction that this thread executes while it is traced.
// How:    the CPU's trap flag: it raises SIGTRAP after each instruction, and the handler looks at the next one. Some
//         2 us an instruction, so this is for a burst, not for a benchmark. x86-64 only; not under a debugger.
// Bound:  kCalleeMax different functions; calls of more are counted, but not named.
// Tests:  tests/hot_loop/call_trace_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

struct CallCounts {
  uint64_t instructions = 0;
  uint64_t calls = 0;   // call instructions, direct and indirect
  uint64_t locked = 0;  // instructions with a lock prefix, and xchg with memory, which has an implied one
  // Who was called how often, most often first; behind the stubs of shared libraries the function itself.
  std::vector<std::pair<uintptr_t, uint64_t>> callees;

  // A line each: count and name, as addr2line (binutils) finds it.
  std::string text() const;
};

void begin_call_trace();
CallCounts end_call_trace();

// Inlined, so that the traced code is the caller's own and nothing of the trace.
[[gnu::always_inline]] inline void set_trap_flag() {
  // The first trap comes after the instruction behind popfq, so that one must not matter.
  asm volatile("pushfq; orq $0x100, (%%rsp); popfq; nop" ::: "memory", "cc");
}
[[gnu::always_inline]] inline void clear_trap_flag() {
  asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

template <typename Run>
CallCounts trace_calls(Run run) {
  begin_call_trace();
  set_trap_flag();
  run();
  clear_trap_flag();
  return end_call_trace();
}

// "function (file)" of an address in this process.
std::string function_name(uintptr_t address);

}  // namespace millrace
