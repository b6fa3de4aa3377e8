// evict.h: what makes room when every entry is taken: a connection that is not, or not any more, of use to two ends.
// Rules:  in this order: TCP whose handshake is not complete, TCP that is closed, UDP that nobody answers, each the
//         oldest first (RFC 4987 section 3.4) and silent for kQuietMs; then what is established and silent for kActiveMs,
//         as the hand finds it.
//         Never what had a packet more lately than that; nor what a packet of this burst may still be about.
// Route:  open_connection, open_client_half > make_room > close_connection
// Thread: owning worker.
// Bound:  kLineLooks entries of each line, kIdleLooks others a call.
// Tests:  tests/unit/stages/evict_test.cpp
#pragma once

#include "dataplane/conn/timer_wheel.h"

namespace millrace {

struct Worker;

// A SYN's second try comes after one second (RFC 6298 section 2): who is waited for is not silent that long.
inline constexpr Ms kQuietMs = 1'000;
// Where a connection matters keepalives come more often; those of TCP itself (RFC 9293 section 3.8.4: two hours) do not.
inline constexpr Ms kActiveMs = 60'000;
inline constexpr unsigned kLineLooks = 4;
inline constexpr unsigned kIdleLooks = 8;

// True: the slab has a free entry now. Counted and told when somebody had to go for it.
bool make_room(Worker& worker);

}  // namespace millrace
