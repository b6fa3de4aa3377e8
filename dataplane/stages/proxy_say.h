// proxy_say.h: what the dataplane itself says on the two TCP connections of a proxied one, before they are spliced.
// Route:  act_on_handshake | proceed_handshake > say_… > write_segment > send_along
// Thread: owning worker.
// Holds:  timestamps never go back for their receiver: each side gets the value that its handshake began with until
//         the other side's own values, translated, go on from there.
// Fails:  without a free buffer nothing is said (drop reason no_mbuf); the timer says it again.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/stages/worker_context.h"

namespace millrace {

// Our window scale towards every client that scales: what most servers choose, so that their windows pass unchanged.
inline constexpr uint8_t kOwnWindowScale = 7;

// To the client: everything until client_next is acknowledged. `window` as it stands in the header.
void say_ack_to_client(Worker& worker, ConnIndex index, uint16_t window);
// Of a spliced connection: one number too low, which a client that has the connection answers, and one that has not
// resets.
void say_probe_to_client(Worker& worker, ConnIndex index);
void say_reset_to_client(Worker& worker, ConnIndex index);

// To the backend. The SYN's own number is backend_acked.
void say_syn(Worker& worker, ConnIndex index);
// From `seq` on; the backend's sequence numbers until backend_next are acknowledged.
void say_to_backend(Worker& worker, ConnIndex index, uint32_t seq, std::span<const uint8_t> payload);
// Ends what it may have of this connection, if `seq` is what it expects next.
void say_reset_to_backend(Worker& worker, ConnIndex index, uint32_t seq);
// In answer to a segment that belongs to no connection of ours: with the number that it acknowledged (RFC 9293 section
// 3.5.2).
void say_reset_at(Worker& worker, ConnIndex index, uint32_t seq);

}  // namespace millrace
