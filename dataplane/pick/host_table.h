// host_table.h: which backends a server name leads to.
// Route:  build_snapshot > HostTable; a whole ClientHello > HostTable::find > pick_backend
// Thread: built by the main lcore; find(): any worker, with its own HostMatcher. No allocation, no lock.
// Memory: a PickTable for each name and family, and those for names that are unexpected.
// Bound:  exact: one look-up. regexp: every pattern in turn, at most kHostPatternMax, each with a bounded effort.
// Tests:  tests/unit/pick/host_table_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controlplane/config/host_pattern.h"
#include "dataplane/pick/pick_table.h"
#include "millrace/addr.h"

namespace millrace {

class HostTable {
 public:
  struct Targets {
    PickTable ipv4;
    PickTable ipv6;
    const PickTable& table(Family family) const { return family == Family::ipv4 ? ipv4 : ipv6; }
  };
  struct Row {
    std::shared_ptr<const HostPattern> pattern;
    Targets targets;
  };

  // `rows` in the order in which they are tried; `matching` is that of their patterns. `unexpected`: who gets a name
  // that no row has; nullopt: nobody.
  HostTable(HostMatching matching, std::vector<Row> rows, std::optional<Targets> unexpected);
  HostTable(const HostTable&) = delete;
  HostTable& operator=(const HostTable&) = delete;

  // The table for a name (lower case; empty: the client named none). nullptr: nobody gets such a connection. One
  // without targets: the name's backends are all down.
  const PickTable* find(std::string_view host, Family family, HostMatcher& matcher) const;

 private:
  const Row* find_row(std::string_view host, HostMatcher& matcher) const;

  std::vector<Row> rows_;
  std::optional<Targets> unexpected_;
  bool exact_ = false;
  std::unordered_map<std::string_view, uint32_t> row_by_name_;  // exact; the names are the patterns' own
};

}  // namespace millrace
