// handshake_watch.h: measures how long backends take from the first SYN to the SYN-ACK: a histogram for each, and what
// balance = "fastest" picks by.
// The entry keeps when it began in 16 bits: ticks of about a microsecond, which come round after some 40 ms; the
// millisecond clock tells longer times.
// Thread: owning worker.
// Tests:  tests/unit/stages/handshake_watch_test.cpp
#pragma once

#include "dataplane/stages/worker_context.h"

namespace millrace {

// The first SYN to entry.backend is about to go.
void begin_handshake_watch(const Worker& worker, ConnEntry& entry);
// It has answered, or (`accepted` false) refused or not answered in time. `began_ms`: when the watch did.
void end_handshake_watch(Worker& worker, ConnEntry& entry, uint32_t began_ms, bool accepted);

}  // namespace millrace
