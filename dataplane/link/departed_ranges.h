// departed_ranges.h: SNAT ranges that left the configuration while connections still use ports of them. Their replies
// must go on being steered to us and found; new connections get none of them.
// The slab itself says which are in use: it is looked through a piece at a time, only while there is such a range.
// Thread: main lcore.
// Memory: at most kDepartedRangeMax ranges; beyond that the oldest is given up.
// Bound:  kSweepEntries slab entries a call: 2 MiB of reading.
// Tests:  tests/unit/link/departed_ranges_test.cpp
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "millrace/conn_entry.h"
#include "millrace/messages.h"

struct rte_rcu_qsbr;

namespace millrace {

inline constexpr size_t kDepartedRangeMax = 64;
inline constexpr size_t kSweepEntries = 16384;

class DepartedRanges {
 public:
  DepartedRanges(rte_rcu_qsbr* qsbr, std::span<const ConnEntry> slab) : qsbr_(qsbr), slab_(slab) {}

  // Before building the snapshot that goes from `before` to `after`: those that it must still know.
  std::vector<SnatRangeCommand> after_change(const std::vector<SnatRangeCommand>& before,
                                             const std::vector<SnatRangeCommand>& after) const;
  // After the swap: these it is.
  void commit(std::vector<SnatRangeCommand> ranges);

  const std::vector<SnatRangeCommand>& ranges() const { return ranges_; }

  // Looks through the next piece of the slab. True when a whole pass found ranges that nobody uses: they are gone.
  bool sweep();

 private:
  void mark_used(const ConnEntry& entry);
  void start_pass();

  rte_rcu_qsbr* qsbr_;
  std::span<const ConnEntry> slab_;
  std::vector<SnatRangeCommand> ranges_;
  std::vector<bool> used_;  // by range, in this pass
  size_t next_entry_ = 0;
  uint64_t quiet_token_ = 0;  // no worker opens a connection with a departed range once this has passed
};

}  // namespace millrace
