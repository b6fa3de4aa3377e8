// proxied_handshake.h: both ends of proxied connections, from the client's SYN to the splice: what they say, and what
// the balancer has to answer.
//   client: SYN >      < SYN-ACK with the cookie      client: ACK >      SYN > backend
//   backend: SYN-ACK >      ACK > backend, < ACK that opens the client's window
// Holds:  every segment of the balancer is compared byte for byte with one that is made here. Its own numbers are taken
//         from it; a cookie is seen to be right when its ACK is accepted.
// Thread: one; beds of one worker.
#pragma once

#include <cstdint>

#include "perf/micro/bed.h"

namespace millrace::perf {

// In their order; each needs what was learnt in the one before.
enum class HandshakeStep : uint8_t { syn, ack, syn_ack };

FrameFields handshake_segment(Bed& bed, HandshakeStep step, uint32_t connection);
// With room for those segments.
FrameDeck handshake_deck(const Bed& bed);

// Plays a deck of segments of one step, and learns. Throws when an answer is wrong, missing or too much.
void pass_handshake(Bed& bed, HandshakeStep step, const FrameDeck& deck);

// From SYN to splice.
void open_proxied(Bed& bed, uint32_t first, uint32_t count);

// Nothing is said again to clients that do not come back.
void forget_syn_answers(Bed& bed);

}  // namespace millrace::perf
