// snapshot_builder.h: from a configuration and the kernel's addresses to the tables that workers read.
// Route:  read_commands > build_snapshot > publish_snapshot
// Thread: main lcore.
// Memory: a snapshot owns its VIP table; the tables of a service are shared with the snapshot before while the service
//         stays as it was, so that one health change among 10,000 services builds one.
// Tests:  tests/unit/link/snapshot_builder_test.cpp
#pragma once

#include <memory>
#include <vector>

#include "dataplane/link/desired_model.h"
#include "dataplane/link/slot_table.h"
#include "dataplane/pick/snapshot.h"

namespace millrace {

class SnapshotBuilder {
 public:
  // `model` has its slots; `slots` knows what left the configuration but still has connections. That goes on being
  // steered and answered, with its timeouts and without backends: a new connection to it ends as no_backend.
  // A wildcard bind skips an address whose port lies in a SNAT range.
  std::unique_ptr<Snapshot> build(const DesiredModel& model, const SlotTable& slots,
                                  const std::vector<IpAddr>& kernel_addresses);

  // A copy of `current` with the tables of services whose backends changed their health, weight or admin state.
  std::unique_ptr<Snapshot> with_changed(const Snapshot& current, const std::vector<const DesiredService*>& changed);

 private:
  struct Built {
    DesiredService from;
    std::shared_ptr<const ServiceTables> tables;
  };
  std::shared_ptr<const ServiceTables> tables_of(const DesiredService& service);

  std::vector<Built> built_;  // by ServiceSlot
};

}  // namespace millrace
