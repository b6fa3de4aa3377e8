#include "tests/hot_loop/call_trace.h"

#include <dlfcn.h>
#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace millrace {
namespace {

constexpr size_t kCalleeMax = 512;  // a burst has some 25

// Written by the handler: plain memory of fixed size, nothing that calls anything.
struct Trace {
  uint64_t instructions = 0, calls = 0, locked = 0;
  std::array<std::pair<uintptr_t, uint64_t>, kCalleeMax> callees{};
  bool called = false;  // the instruction before this one was a call, or a jump of the stub that it led to
};
Trace trace;
struct sigaction action_before;

// Past prefixes that say nothing about calls. `locked`: whether one of them is a lock.
const uint8_t* past_prefixes(const uint8_t* at, bool& locked) {
  for (;; ++at) {
    if (*at == 0xf0) locked = true;
    const bool legacy = *at == 0xf0 || *at == 0xf2 || *at == 0xf3 || *at == 0x2e || *at == 0x3e || *at == 0x64 ||
                        *at == 0x65 || *at == 0x66 || *at == 0x67;
    if (!legacy) break;
  }
  return (*at & 0xf0) == 0x40 ? at + 1 : at;  // REX
}

bool is_call(const uint8_t* at) { return *at == 0xe8 || (*at == 0xff && ((at[1] >> 3) & 7) == 2); }
bool is_memory_xchg(const uint8_t* at) { return (*at == 0x86 || *at == 0x87) && (at[1] >> 6) != 3; }
// Of a stub in the procedure linkage table: "endbr64", and "jmp *slot(%rip)".
bool is_stub(const uint8_t* bytes, const uint8_t* at) {
  return std::memcmp(bytes, "\xf3\x0f\x1e\xfa", 4) == 0 || (at[0] == 0xff && at[1] == 0x25);
}

void count_callee(uintptr_t address) {
  for (size_t i = 0, slot = (address >> 4) % kCalleeMax; i < kCalleeMax; ++i, slot = (slot + 1) % kCalleeMax) {
    auto& [known, count] = trace.callees[slot];
    if (known != 0 && known != address) continue;
    known = address;
    ++count;
    return;
  }
}

// Runs before each traced instruction, the one at RIP.
void look(int, siginfo_t*, void* context) {
  const auto rip = static_cast<uintptr_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  const auto* bytes = reinterpret_cast<const uint8_t*>(rip);
  bool locked = false;
  const uint8_t* at = past_prefixes(bytes, locked);
  ++trace.instructions;
  if (trace.called && !is_stub(bytes, at)) {
    count_callee(rip);
    trace.called = false;
  }
  if (locked || is_memory_xchg(at)) ++trace.locked;
  if (!is_call(at)) return;
  ++trace.calls;
  trace.called = true;
}

std::string first_line_of(const std::string& command) {
  std::string line;
  char part[512];
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return line;
  while (std::fgets(part, sizeof part, pipe) != nullptr)
    if (line.empty() || line.back() != '\n') line += part;
  pclose(pipe);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  return line;
}

}  // namespace

void begin_call_trace() {
  trace = {};
  struct sigaction action {};
  action.sa_sigaction = look;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGTRAP, &action, &action_before) != 0) throw std::runtime_error("no handler for SIGTRAP");
}

CallCounts end_call_trace() {
  sigaction(SIGTRAP, &action_before, nullptr);
  CallCounts counts{.instructions = trace.instructions, .calls = trace.calls, .locked = trace.locked};
  for (const auto& callee : trace.callees)
    if (callee.second != 0) counts.callees.push_back(callee);
  std::ranges::sort(counts.callees, [](const auto& a, const auto& b) { return a.second > b.second; });
  return counts;
}

std::string function_name(uintptr_t address) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(address), &info) == 0) return "unknown";
  const std::string file = info.dli_fname;
  char offset[32];
  std::snprintf(offset, sizeof offset, "%#lx", address - reinterpret_cast<uintptr_t>(info.dli_fbase));
  std::string name = first_line_of("addr2line -f -C -e '" + file + "' " + offset + " 2>/dev/null");
  if (name.empty() || name == "??") name = info.dli_sname != nullptr ? info.dli_sname : offset;
  return name + " (" + file.substr(file.rfind('/') + 1) + ")";
}

std::string CallCounts::text() const {
  std::string lines;
  for (const auto& [address, count] : callees)
    lines += "  " + std::to_string(count) + " x " + function_name(address) + "\n";
  return lines;
}

}  // namespace millrace
