// tunnel_error.h: ICMP errors of the fabric about the outer packets of tunnels. Their sender is one of our addresses, so
// we get them; the client, who sent what is inside, learns from us that it was too big (RFC 2003 section 4, RFC 2473
// section 8), and we remember it for the backend's other flows.
// Route:  handle_icmp > handle_tunnel_error > read_tunnel_quote, make_too_big
// Tests:  tests/unit/stages/tunnel_error_test.cpp
#pragma once

#include <cstdint>

#include "dataplane/stages/burst.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// What an error quotes: an outer packet, and as much as there is of the one inside.
struct TunnelQuote {
  Encapsulation encapsulation{};
  IpAddr outer_src;
  IpAddr outer_dst;
  uint16_t outer_bytes = 0;   // that the whole outer packet had
  bool too_big = false;       // the error is that
  uint32_t mtu_bytes = 0;     // too_big: of the way; 0: unknown
  uint16_t inner_offset = 0;  // from the start of the frame
  uint16_t inner_end = 0;     // of what is quoted
  Tuple inner;                // whole: client to VIP
};

enum class QuoteRead : uint8_t {
  other,      // no tunnel, or nothing that begins like one
  cut_short,  // a tunnel, but whose packet is inside cannot be told; inner is not set
  whole,
};

// For an IPv4 or IPv6 frame with an ICMP error behind it. Thread: any; pure. Nothing is read past the frame.
QuoteRead read_tunnel_quote(const rte_mbuf& frame, TunnelQuote& quote);

// True: it was about a tunnel of ours, and is done. Thread: owning worker.
bool handle_tunnel_error(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info);

}  // namespace millrace
