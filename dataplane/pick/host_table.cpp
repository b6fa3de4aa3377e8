// host_table.cpp: a name's row, or the row of those without one.
#include "dataplane/pick/host_table.h"

#include <utility>

namespace millrace {

HostTable::HostTable(HostMatching matching, std::vector<Row> rows, std::optional<Targets> unexpected)
    : rows_(std::move(rows)), unexpected_(std::move(unexpected)), exact_(matching == HostMatching::exact) {
  if (!exact_) return;
  row_by_name_.reserve(rows_.size());
  for (uint32_t i = 0; i < rows_.size(); ++i) row_by_name_.emplace(rows_[i].pattern->text(), i);
}

const PickTable* HostTable::find(std::string_view host, Family family, HostMatcher& matcher) const {
  if (!host.empty())
    if (const Row* row = find_row(host, matcher)) return &row->targets.table(family);
  return unexpected_ ? &unexpected_->table(family) : nullptr;
}

const HostTable::Row* HostTable::find_row(std::string_view host, HostMatcher& matcher) const {
  if (exact_) {
    const auto found = row_by_name_.find(host);
    return found == row_by_name_.end() ? nullptr : &rows_[found->second];
  }
  for (const Row& row : rows_)
    if (row.pattern->matches(host, matcher)) return &row;
  return nullptr;
}

}  // namespace millrace
