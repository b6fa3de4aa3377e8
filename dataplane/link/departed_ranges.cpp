// departed_ranges.cpp: a slow, bounded garbage collection by looking at who still refers.
#include "dataplane/link/departed_ranges.h"

#include <rte_rcu_qsbr.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace {
namespace {

// The pool does not matter: what counts is which addresses and ports are steered to us.
bool same_ports(const SnatRangeCommand& a, const SnatRangeCommand& b) {
  return a.first == b.first && a.last == b.last && a.port_first == b.port_first && a.port_last == b.port_last;
}

bool holds(const std::vector<SnatRangeCommand>& ranges, const SnatRangeCommand& wanted) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const SnatRangeCommand& range) { return same_ports(range, wanted); });
}

}  // namespace

std::vector<SnatRangeCommand> DepartedRanges::after_change(const std::vector<SnatRangeCommand>& before,
                                                           const std::vector<SnatRangeCommand>& after) const {
  std::vector<SnatRangeCommand> departed;
  const auto add = [&](const SnatRangeCommand& range) {
    if (!holds(after, range) && !holds(departed, range)) departed.push_back(range);
  };
  for (const SnatRangeCommand& range : ranges_) add(range);
  for (const SnatRangeCommand& range : before) add(range);
  if (departed.size() > kDepartedRangeMax) departed.erase(departed.begin(), departed.end() - kDepartedRangeMax);
  return departed;
}

void DepartedRanges::commit(std::vector<SnatRangeCommand> ranges) {
  ranges_ = std::move(ranges);
  quiet_token_ = rte_rcu_qsbr_start(qsbr_);
  start_pass();
}

void DepartedRanges::start_pass() {
  next_entry_ = 0;
  used_.assign(ranges_.size(), false);
}

bool DepartedRanges::sweep() {
  if (ranges_.empty() || rte_rcu_qsbr_check(qsbr_, quiet_token_, false) != 1) return false;
  const size_t end = std::min(slab_.size(), next_entry_ + kSweepEntries);
  for (; next_entry_ < end; ++next_entry_) {
    ConnEntry copy;
    // An entry that is being opened now cannot use a departed range; one that is being closed no longer does.
    if (read_conn(slab_[next_entry_], copy) && copy.mode != Mode::nat && copy.mode != Mode::dsr) mark_used(copy);
  }
  if (next_entry_ < slab_.size()) return false;
  size_t index = 0;
  const size_t gone = std::erase_if(ranges_, [&](const SnatRangeCommand&) { return !used_[index++]; });
  start_pass();
  return gone != 0;
}

void DepartedRanges::mark_used(const ConnEntry& entry) {
  const IpAddr addr = snat_address(entry);
  const uint16_t port = entry.snat_port.host();
  for (size_t i = 0; i < ranges_.size(); ++i)
    if (ranges_[i].first <= addr && addr <= ranges_[i].last && ranges_[i].port_first <= port &&
        port <= ranges_[i].port_last)
      used_[i] = true;
}

}  // namespace millrace
