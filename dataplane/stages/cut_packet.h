// cut_packet.h: an IPv4 packet without DF that is too large for its way leaves in fragments (RFC 791 section 3.2; RFC 1812
// section 4.2.2.7).
// Route:  rewrite_burst > send_cut > send_along;  forward_direct > cut_packet, encapsulate each (RFC 4459 section 3.4)
// Thread: owning worker.
// Memory: a packet buffer a fragment, each with a copy of its part, since no port may be asked for packets in segments.
// Fails:  by a drop: no_mbuf, or mtu_exceeded when there would be more than kFragmentsMax.
// Tests:  tests/unit/stages/cut_packet_test.cpp
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/stages/next_hop.h"

struct rte_mbuf;

namespace millrace {

// A frame has one buffer, whose 2 KiB are 5 pieces of the smallest usual MTU.
inline constexpr unsigned kFragmentsMax = 32;
using Pieces = std::array<rte_mbuf*, kFragmentsMax>;

// Its sender allows it, which no sender does in IPv6.
bool may_cut(const uint8_t* ip_header);

// `mbuf` is finished but for its MAC addresses, and may be a fragment itself; it ends here. Returns how many frames
// stand in `pieces`, with no MAC addresses either; 0: it was dropped.
unsigned cut_packet(Worker& worker, rte_mbuf* mbuf, uint16_t mtu_bytes, Pieces& pieces);

// And sends them.
void send_cut(Worker& worker, rte_mbuf* mbuf, const Hop& hop, uint16_t mtu_bytes);

}  // namespace millrace
