// handshake_watch.h: measures how long backends take from SYN to SYN-ACK, where balance = "fastest" wants to know.
// The entry keeps when it began in 16 bits: ticks of 16 us, which come round after a second; the millisecond clock tells
// longer times.
// Thread: owning worker.
// Tests:  tests/unit/stages/handshake_watch_test.cpp
#pragma once

#include "dataplane/stages/worker_context.h"

namespace millrace {

// The first SYN to entry.backend is about to go.
void begin_handshake_watch(const Worker& worker, const ServiceTables& service, ConnEntry& entry);
// It has answered, or (`accepted` false) refused or not answered in time. `began_ms`: when the watch did. Nothing happens
// where there is none.
void end_handshake_watch(Worker& worker, ConnEntry& entry, uint32_t began_ms, bool accepted);

}  // namespace millrace
