#include "tests/hot_loop/disturbance.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "tests/hot_loop/call_trace.h"

// glibc's own names for its allocator, behind the ones that this file takes over.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* memory);
}

namespace millrace {
namespace {

thread_local bool watching = false;
Disturbance seen_so_far;                        // of the watched thread
char selector = SYSCALL_DISPATCH_FILTER_ALLOW;  // read by the kernel before each system call

void count(uint64_t Disturbance::*what) {
  if (watching) ++(seen_so_far.*what);
}

// The call is made again, and allowed, as soon as this returns: RIP goes back over the two bytes of the instruction.
void take_note(int, siginfo_t* info, void* context) {
  selector = SYSCALL_DISPATCH_FILTER_ALLOW;
  seen_so_far.system_call = true;
  seen_so_far.system_call_number = info->si_syscall;
  auto& rip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  seen_so_far.system_call_address = static_cast<uintptr_t>(rip);
  rip -= 2;
}

template <typename Function>
Function* next_of(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

void begin_watch() {
  struct sigaction action {};
  action.sa_sigaction = take_note;
  action.sa_flags = SA_SIGINFO;
  selector = SYSCALL_DISPATCH_FILTER_ALLOW;
  if (sigaction(SIGSYS, &action, nullptr) != 0 ||
      prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) != 0)
    throw std::runtime_error(std::string("system calls cannot be watched: ") + std::strerror(errno) +
                             "; this test needs Linux 5.11 or later on x86-64");
  seen_so_far = {};
  watching = true;
  selector = SYSCALL_DISPATCH_FILTER_BLOCK;
  asm volatile("" ::: "memory");
}

Disturbance end_watch() {
  asm volatile("" ::: "memory");
  selector = SYSCALL_DISPATCH_FILTER_ALLOW;
  asm volatile("" ::: "memory");
  watching = false;
  prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
  return seen_so_far;
}

std::string Disturbance::text() const {
  std::string text = std::to_string(allocations) + " allocations, " + std::to_string(locks) + " locks";
  if (system_call)
    text += ", system call " + std::to_string(system_call_number) + " by " + function_name(system_call_address);
  return text;
}

}  // namespace millrace

extern "C" {

using millrace::count;
using millrace::Disturbance;

void* malloc(size_t bytes) {
  count(&Disturbance::allocations);
  return __libc_malloc(bytes);
}
void* calloc(size_t n, size_t bytes) {
  count(&Disturbance::allocations);
  return __libc_calloc(n, bytes);
}
void* realloc(void* memory, size_t bytes) {
  count(&Disturbance::allocations);
  return __libc_realloc(memory, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  count(&Disturbance::allocations);
  return __libc_memalign(alignment, bytes);
}
void* memalign(size_t alignment, size_t bytes) { return aligned_alloc(alignment, bytes); }
int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  *memory = aligned_alloc(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) {
  count(&Disturbance::allocations);
  __libc_free(memory);
}

#define PASS_ON(result, name, what, parameters, arguments)                   \
  result name parameters {                                                   \
    count(&Disturbance::what);                                               \
    static result(*next) parameters = nullptr;                               \
    if (next == nullptr) next = millrace::next_of<result parameters>(#name); \
    return next arguments;                                                   \
  }
// clang-format off
PASS_ON(void*, rte_malloc, allocations, (const char* type, size_t bytes, unsigned align), (type, bytes, align))
PASS_ON(void*, rte_zmalloc, allocations, (const char* type, size_t bytes, unsigned align), (type, bytes, align))
PASS_ON(void*, rte_malloc_socket, allocations, (const char* type, size_t bytes, unsigned align, int socket), (type, bytes, align, socket))
PASS_ON(void*, rte_zmalloc_socket, allocations, (const char* type, size_t bytes, unsigned align, int socket), (type, bytes, align, socket))
PASS_ON(void, rte_free, allocations, (void* memory), (memory))
PASS_ON(int, pthread_mutex_lock, locks, (pthread_mutex_t* lock), (lock))
PASS_ON(int, pthread_mutex_trylock, locks, (pthread_mutex_t* lock), (lock))
PASS_ON(int, pthread_spin_lock, locks, (pthread_spinlock_t* lock), (lock))
PASS_ON(int, pthread_rwlock_rdlock, locks, (pthread_rwlock_t* lock), (lock))
PASS_ON(int, pthread_rwlock_wrlock, locks, (pthread_rwlock_t* lock), (lock))
// clang-format on
}
