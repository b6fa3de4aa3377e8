// retired.h: what workers may still read after it was replaced; freed when each of them has been quiet since.
// Thread: main lcore. Never waits.
#pragma once

#include <rte_rcu_qsbr.h>

#include <cstdint>
#include <deque>
#include <memory>

namespace millrace {

class Retired {
 public:
  explicit Retired(rte_rcu_qsbr* qsbr) : qsbr_(qsbr) {}

  // After the store that took `object` out of the workers' sight.
  void add(std::shared_ptr<const void> object) { queue_.push_back({rte_rcu_qsbr_start(qsbr_), std::move(object)}); }
  // Frees what may be freed.
  void collect() {
    while (!queue_.empty() && rte_rcu_qsbr_check(qsbr_, queue_.front().token, false) == 1) queue_.pop_front();
  }
  size_t size() const { return queue_.size(); }

 private:
  struct Entry {
    uint64_t token = 0;
    std::shared_ptr<const void> object;
  };
  rte_rcu_qsbr* qsbr_;
  std::deque<Entry> queue_;
};

}  // namespace millrace
