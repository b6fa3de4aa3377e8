// rate_limits.h: drops what comes to a service faster than its rates allow, and counts it (ServiceCounters::limited).
// Route:  act_burst > limit_burst, where a service has a rate of packets; a miss: act_on_miss > limit_packet,
//         limit_connection
// Thread: owning worker.
// Tests:  tests/unit/stages/rate_limits_test.cpp
#pragma once

#include <optional>

#include "dataplane/stages/burst.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// Of a packet that begins a connection; where that is proxied, of the client's proof. The reason to drop it under, if any.
std::optional<DropReason> limit_connection(Worker& worker, const ServiceTables& service, const IpAddr& source);
// Of a client's packet without a connection.
std::optional<DropReason> limit_packet(Worker& worker, const ServiceTables& service, const IpAddr& source);
// Of clients' packets with one that was there before this burst.
void limit_burst(Worker& worker, Burst& burst);
// Of a packet whose connection this burst has opened. True: it is dropped.
bool limit_newcomer(Worker& worker, Burst& burst, unsigned i);

}  // namespace millrace
