// snapshot_builder.h: from a configuration and the kernel's addresses to the tables that workers read.
// Route:  read_commands > build_snapshot > publish_snapshot
// Thread: main lcore.
// Memory: a snapshot owns its VIP table; the tables of a service are shared with the snapshot before while the service
//         stays as it was, so that one health change among 10,000 services builds one. Compiled server names are the
//         model's; every table that is built for them shares them.
// Tests:  tests/unit/link/snapshot_builder_test.cpp
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataplane/link/desired_model.h"
#include "dataplane/link/slot_table.h"
#include "dataplane/pick/snapshot.h"

namespace millrace {

struct SnapshotInputs {
  const DesiredModel& model;                             // with its slots
  const SlotTable& slots;                                // what left it but still has connections
  const std::vector<SnatRangeCommand>& departed_ranges;  // likewise
  const std::vector<IpAddr>& kernel_addresses;
};

struct BuiltSnapshot {
  std::unique_ptr<Snapshot> snapshot;
  // A wildcard bind met a SNAT range on an address of the kernel, where replies could not be told from clients: that
  // address is left out. A sentence about the first such; empty when there is none.
  std::string conflict;
};

class SnapshotBuilder {
 public:
  // What left the configuration but has connections goes on being steered and answered, with its timeouts and without
  // backends: a new connection to it ends as no_backend.
  BuiltSnapshot build(const SnapshotInputs& inputs);

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
