// encapsulate.h: a client's packet becomes the payload of one to its backend (mode tunnel).
//   ip:   IP in IP: RFC 2003 (4 in 4), RFC 2473 (6 or 4 in 6), RFC 4213 (6 in 4)
//   gue:  the same behind UDP and 4 bytes of Generic UDP Encapsulation (draft-ietf-intarea-gue-09, variant 0, no flags)
// Outer:  DSCP and ECN are the inner packet's (RFC 2983 section 4.1, RFC 6040 section 4.1); TTL 64; IPv4: DF, ID 0
//         (RFC 6864); IPv6: flow label by the flow's hash (RFC 6438); UDP: source port by the flow's hash, checksum over
//         IPv6 alone.
// Thread: any; touches the given frame alone. Frames are untagged Ethernet in one segment.
// Tests:  tests/unit/stages/encapsulate_test.cpp
#pragma once

#include <rte_ip.h>
#include <rte_udp.h>

#include <cstdint>

#include "millrace/conn_entry.h"

struct rte_mbuf;

namespace millrace {

inline constexpr uint16_t kGueHeaderBytes = 4;

// By how much a packet grows; 0 without encapsulation.
constexpr uint16_t encapsulation_bytes(Encapsulation encapsulation, Family outer) {
  if (encapsulation == Encapsulation::none) return 0;
  const size_t ip_bytes = outer == Family::ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
  const size_t gue_bytes = encapsulation == Encapsulation::gue ? sizeof(rte_udp_hdr) + kGueHeaderBytes : 0;
  return static_cast<uint16_t>(ip_bytes + gue_bytes);
}

// Puts the outer headers of `flow`, a tunnelled one, before the IP packet of `ip_bytes` in `frame`, and nothing else
// behind it. Of the Ethernet header the type alone is written. False: the frame has no headroom, and is unchanged.
bool encapsulate(rte_mbuf& frame, const ConnEntry& flow, uint16_t ip_bytes);

}  // namespace millrace
