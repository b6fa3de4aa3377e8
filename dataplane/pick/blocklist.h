// blocklist.h: whose packets to VIPs are dropped, whatever the service says.
// Route:  CommandReader::take > compile_blocklist; parse_burst > drop_blocked > Blocklist::holds
// Thread: built by the main lcore; holds(): any worker. No allocation, no lock.
// Tests:  tests/unit/pick/blocklist_test.cpp
#pragma once

#include <memory>
#include <vector>

#include "dataplane/pick/access_table.h"
#include "millrace/addr.h"
#include "millrace/messages.h"

namespace millrace {

class Blocklist {
 public:
  explicit Blocklist(std::vector<BlockedPrefix> prefixes);

  bool holds(const IpAddr& source) const { return !table_.allows(source); }
  // As they came; for those who look addresses up by other means.
  const std::vector<BlockedPrefix>& prefixes() const { return prefixes_; }

 private:
  std::vector<BlockedPrefix> prefixes_;
  AccessTable table_;
};

// Null: nobody is blocked.
std::shared_ptr<const Blocklist> compile_blocklist(std::vector<BlockedPrefix> prefixes);

}  // namespace millrace
