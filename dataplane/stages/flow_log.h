// flow_log.h: tells the control plane of connections that end, while somebody wants to know.
// Route:  close_connection > tell_flow > flow ring |segment| FlowLog (controlplane/flow_log/flow_log.h)
// Thread: owning worker.
// Fails:  a full ring loses the record (counter flows_unlogged).
// Tests:  tests/unit/stages/flow_log_test.cpp
#pragma once

#include "dataplane/stages/worker_context.h"

namespace millrace {

// Of an entry that is about to be freed.
void tell_flow(Worker& worker, const ConnEntry& entry, FlowEnd end);

}  // namespace millrace
