// backend_choice.h: a backend for a new connection within the limits of its service, and what is counted where there is
// none.
// Route:  open_connection | connect_backend > pick_for_client > pick_backend
// Thread: owning worker.
// Tests:  tests/unit/stages/limits_test.cpp
#pragma once

#include <optional>

#include "dataplane/pick/pick_backend.h"
#include "dataplane/stages/burst.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// `client`: the client's packet. `avoid`: a backend that has just failed.
Pick pick_for_client(Worker& worker, const ServiceTables& service, const PickTable& table, const Tuple& client,
                     BackendSlot avoid = kNoBackend);

// Counts a pick that picked nobody.
DropReason refuse_unpicked(Worker& worker, const ServiceTables& service, PickResult result);

// A service that has its max_connections open. Told once a millisecond.
std::optional<DropReason> refuse_over_limit(Worker& worker, const ServiceTables& service);

// Counts for the limits: the entry is over, or open again.
void count_over(Worker& worker, const ConnEntry& entry, bool over);

// The only way into a state that may be over, and out of one; the others may be set.
inline void set_state(Worker& worker, ConnEntry& entry, ConnState state) {
  if (is_over(state) != is_over(entry.state)) count_over(worker, entry, is_over(state));
  entry.state = state;
}

}  // namespace millrace
