// splice_timestamps.h: a client was promised timestamps (RFC 7323) with our answer to its SYN, and the backend that took
// it does not know them. Segments of an established connection must have them all the same, or a strict client drops
// them (section 3.2). So they are put into the backend's segments: our clock, and the client's last value for an echo.
// The client's own are overwritten on their way (splice_translate.h).
// Route:  act_burst > bridge_timestamps > rewrite_burst
// Thread: owning worker.
// Holds:  a segment grows by kTimestampOptionBytes. Where it does not fit the MTU then, its sender is told a smaller one.
// Tests:  tests/unit/stages/proxy_test.cpp, tests/sim
#pragma once

#include <cstdint>

#include "dataplane/conn/conn_table.h"
#include "dataplane/stages/burst.h"
#include "millrace/splice.h"

namespace millrace {

struct Worker;

inline constexpr uint16_t kTimestampOptionBytes = 12;  // two NOPs before it

inline bool needs_timestamps(const Splice& splice) {
  return (splice.client_has & ~splice.backend_has & kSpliceTimestamps) != 0;
}

// For a segment in either direction, with needs_timestamps(). False: there was no room, and the packet is dropped.
bool bridge_timestamps(Worker& worker, Burst& burst, unsigned i);

}  // namespace millrace
