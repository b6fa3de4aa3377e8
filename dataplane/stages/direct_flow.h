// direct_flow.h: flows of services in mode dsr and tunnel, whose backends answer clients by themselves. Only what clients
// say comes by: an entry has the client's key alone, and remembers the backend, so that a known flow stays where it is
// whatever becomes of the Maglev table. A flow without an entry (it came from another host, or there was no room) finds
// its backend by Maglev, packet by packet; equal tables on every host give it the same one.
// Route:  act_burst > act_on_direct, open_direct > rewrite_burst > forward_direct
// Thread: owning worker.
// Tests:  tests/unit/stages/direct_test.cpp
#pragma once

#include <optional>

#include "dataplane/stages/burst.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// For a packet whose flow has an entry. False: the flow begins anew, its entry is closed.
bool act_on_direct(Worker& worker, Burst& burst, unsigned i);

// For a client's packet without an entry: it gets one, or is forwarded without.
// Fails:  with the reason to drop the packet under: no_backend, no_snat_port.
std::optional<DropReason> open_direct(Worker& worker, Burst& burst, unsigned i, const Tuple& tuple,
                                      const ServiceTables& service);

// Fills `flow`, all zero, as the entry of a client's packet would be. Fails as open_direct does.
std::optional<DropReason> describe_direct(Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                          ConnEntry& flow);

}  // namespace millrace
