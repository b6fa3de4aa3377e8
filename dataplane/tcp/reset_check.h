// reset_check.h: what a nat or fullnat entry remembers of the numbers of its TCP connection, so that a blind RST, FIN or
// SYN (RFC 5961) ends nothing. Four bytes of the entry's first line (ConnEntry::tcp_halves):
//   while it lives   the upper half of the last acknowledgment number of each side
//   in time_wait     the whole number that follows the client's last byte
// Only what the other side said is held against a segment: who forges one side's segments cannot forge the other's.
// Thread: owning worker.      Tests: tests/unit/tcp/reset_check_test.cpp      Why: docs/decisions/0012
#pragma once

#include <cstdint>

#include "dataplane/conn/conn_table.h"
#include "millrace/conn_entry.h"

namespace millrace {

// How far ahead of what the other side has acknowledged the number of an honest RST or FIN may be, that is, how much may
// be in flight. Rounded up to 64 KiB. The client's RST is held against the least, for it is what strangers can forge; a
// client with more in flight sends another RST for each segment that its dead socket still gets, and those are exact.
inline constexpr uint32_t kClientResetReachBytes = 256 * 1024;
inline constexpr uint32_t kFinReachBytes = 16 * 1024 * 1024;

// An ACK from `from`, host order. Not in time_wait.
inline void remember_ack(ConnEntry& entry, Direction from, uint32_t ack) {
  entry.tcp_halves[static_cast<unsigned>(from)] = static_cast<uint16_t>(ack >> 16);
}

// The SYN that opened the entry, as if the backend had acknowledged it.
inline void remember_syn(ConnEntry& entry, uint32_t seq) { remember_ack(entry, Direction::reverse, seq + 1); }

// Whether a RST or FIN from `from` with this sequence number can be honest. `is_reset` is false for a FIN. True of the
// backend's as long as the client has not acknowledged anything.
bool ends_connection(const ConnEntry& entry, Direction from, uint32_t seq, bool is_reset);

// On the way into time_wait: what the client's next byte would be numbered.
inline void remember_client_end(ConnEntry& entry, uint32_t client_end) {
  entry.tcp_halves = {static_cast<uint16_t>(client_end >> 16), static_cast<uint16_t>(client_end)};
}

// A client's SYN in time_wait is a new connection when its number is newer than all of the old one's (RFC 9293 section
// 3.6.1). Another may be an old duplicate: its backend knows.
bool is_newer_syn(const ConnEntry& entry, uint32_t seq);

}  // namespace millrace
