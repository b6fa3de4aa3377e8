// host_table.h: which backends a server name leads to.
// Route:  build_snapshot > HostTable; a whole ClientHello > HostTable::find > pick_backend
// Thread: built by the main lcore; find(): any worker. No allocation, no lock.
// Bound:  exact: one look-up. regexp: every pattern in turn, at most kHostPatternMax, each with a bounded effort.
// Tests:  tests/unit/pick/host_table_test.cpp
#pragma once

#include <string_view>

#include "dataplane/pick/pick_table.h"
#include "millrace/addr.h"

namespace millrace {

class HostTable {
 public:
  // The table for a name (lower case; empty: the client named none). nullptr: nobody gets such a connection.
  const PickTable* find(std::string_view host, Family family) const;
};

}  // namespace millrace
