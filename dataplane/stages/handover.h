// handover.h: packets on their way to another worker: its own ones that came in here, and finished frames for a
// transmit queue that it alone may use. What the receiver must know travels in the mbuf's private area.
// Thread: owning worker; the rings are SP/SC.
// Memory: kHandoverRingSlots x 8 B a pair of workers.
// Bound:  at most once for a packet: a worker that is handed a packet that is not its own drops it. Once more for a
//         fragment, which goes to the owner of its datagram first.
// Fails:  a full ring drops the packet (handover_full); nobody waits.
// Tests:  tests/unit/stages/handover_test.cpp
#pragma once

#include <cstdint>

#include "dataplane/ports/port.h"
#include "dataplane/stages/burst.h"
#include "millrace/addr.h"
#include "millrace/ids.h"

struct rte_mbuf;
struct rte_mempool;

namespace millrace {

struct Worker;

enum class HandoverKind : uint8_t {
  packet,    // as it came in by `port`: parse it
  frame,     // finished: send it on `target`
  fragment,  // as it came in by `port`: to the owner of its datagram
  followed,  // a fragment of a packet with this protocol and these ports, as it came in by `port`
};
struct HandoverNote {
  HandoverKind kind{};
  PortIndex port{};    // packet, fragment, followed
  uint8_t target = 0;  // frame: index into Worker::tx
  Proto proto{};       // followed
  Be16 src_port;       // followed
  Be16 dst_port;       // followed
};
inline constexpr uint16_t kMbufPrivateBytes = 16;  // Set when the pool is made; 8-aligned as rte_mbuf wants it.
static_assert(sizeof(HandoverNote) <= kMbufPrivateBytes);

HandoverNote read_handover_note(rte_mbuf* mbuf);
void write_handover_note(rte_mbuf* mbuf, const HandoverNote& note);
HandoverNote followed_note(PortIndex port, const Tuple& tuple);

void handover_frame(Worker& worker, rte_mbuf* mbuf, uint8_t target, WorkerIndex owner);
void flush_handover(Worker& worker);

}  // namespace millrace
