// idle.h: when a connection is over if nothing more arrives.
// Route:  advance_wheel > due_ms > close_connection, or arm again
// Holds:  client_seen_ms and backend_seen_ms both start as opened_ms; until the backend's first packet they say so.
// Fails:  never.      Tests: tests/unit/conn/idle_test.cpp
#pragma once

#include <cstdint>

#include "dataplane/conn/timer_wheel.h"
#include "millrace/conn_entry.h"
#include "millrace/messages.h"

namespace millrace {

// The last packet of either side.
inline Ms last_seen_ms(const ConnEntry& entry) {
  return ms_after(entry.client_seen_ms, entry.backend_seen_ms) ? entry.client_seen_ms : entry.backend_seen_ms;
}

// The first ms at which `entry` counts as idle. The two idle timeouts are its service's; 0 sets no bound for that
// side. They rule while a connection is established (TCP) or open (UDP); every other state has a timeout of its own
// that runs from the last packet of either side. Of a direct mode's connections only the client is heard and counts.
Ms due_ms(const ConnEntry& entry, uint32_t client_idle_ms, uint32_t backend_idle_ms, const SettingsCommand& settings);

}  // namespace millrace
