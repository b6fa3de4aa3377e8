// workers.h: quiescent states and counters of workers that the test plays itself.
#pragma once

#include <rte_rcu_qsbr.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "dataplane/link/slot_table.h"
#include "millrace/limits.h"

namespace millrace {

class TestWorkers {
 public:
  explicit TestWorkers(unsigned count = 2) : count_(count) {
    rte_rcu_qsbr_init(qsbr(), count);
    for (unsigned i = 0; i < count; ++i) {
      rte_rcu_qsbr_thread_register(qsbr(), i);
      rte_rcu_qsbr_thread_online(qsbr(), i);
      services_.emplace_back(new ServiceCounters[kServiceMax]);
      backends_.emplace_back(new BackendCounters[kBackendMax]);
      handshakes_.emplace_back(new BackendHandshakes[kBackendMax]());
      lifetimes_.emplace_back(new ServiceLifetimes[kServiceMax]());
    }
  }
  rte_rcu_qsbr* qsbr() { return memory_.get(); }
  void all_quiet() {
    for (unsigned i = 0; i < count_; ++i) quiet(i);
  }
  void quiet(unsigned worker) { rte_rcu_qsbr_quiescent(qsbr(), worker); }
  SlotCounters counters() {
    SlotCounters rows;
    for (unsigned i = 0; i < count_; ++i) {
      rows.services.push_back(services_[i].get());
      rows.backends.push_back(backends_[i].get());
      rows.handshakes.push_back(handshakes_[i].get());
      rows.lifetimes.push_back(lifetimes_[i].get());
    }
    return rows;
  }
  ServiceCounters& service(unsigned worker, ServiceSlot slot) { return services_[worker][raw(slot)]; }
  BackendCounters& backend(unsigned worker, BackendSlot slot) { return backends_[worker][raw(slot)]; }
  BackendHandshakes& handshakes(unsigned worker, BackendSlot slot) { return handshakes_[worker][raw(slot)]; }
  ServiceLifetimes& lifetimes(unsigned worker, ServiceSlot slot) { return lifetimes_[worker][raw(slot)]; }

 private:
  struct Free {
    void operator()(rte_rcu_qsbr* memory) const { std::free(memory); }
  };
  unsigned count_;
  std::unique_ptr<rte_rcu_qsbr, Free> memory_{static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, 16384))};
  std::vector<std::unique_ptr<ServiceCounters[]>> services_;
  std::vector<std::unique_ptr<BackendCounters[]>> backends_;
  std::vector<std::unique_ptr<BackendHandshakes[]>> handshakes_;
  std::vector<std::unique_ptr<ServiceLifetimes[]>> lifetimes_;
};

}  // namespace millrace
