#include "dataplane/ports/unmap_grace.h"

#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace millrace {
namespace {

// Null: nobody has to be waited for. Release by the main lcore, acquire in munmap().
std::atomic<rte_rcu_qsbr*> readers{nullptr};

}  // namespace

void begin_unmap_grace(rte_rcu_qsbr* workers) { readers.store(workers, std::memory_order_release); }
void end_unmap_grace() { readers.store(nullptr, std::memory_order_release); }

}  // namespace millrace

// In place of libc's, for the whole process.
extern "C" int munmap(void* address, size_t bytes) noexcept {
  rte_rcu_qsbr* workers = millrace::readers.load(std::memory_order_acquire);
  if (workers != nullptr && rte_lcore_id() == LCORE_ID_ANY) rte_rcu_qsbr_synchronize(workers, RTE_QSBR_THRID_INVALID);
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}
