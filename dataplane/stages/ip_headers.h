// ip_headers.h: what may stand between the fixed IP header and TCP, UDP or ICMP: IPv4 options, IPv6 extension headers.
// Route:  parse_burst, follow_fragments, read_icmp_packet, read_icmp_error > walk_ipv6_chain
// Thread: any; pure.
// Bound:  kExtensionHeadersMax headers in kExtensionBytesMax bytes, so that no packet makes us walk far (RFC 8504
//         section 5.3 leaves the limits to us).
// Fails:  with the reason to drop the packet under; nothing is read past the packet.
// Tests:  tests/unit/stages/ip_headers_test.cpp
#pragma once

#include <rte_ip.h>

#include <cstdint>
#include <optional>

#include "millrace/drop_reason.h"

namespace millrace {

inline constexpr unsigned kExtensionHeadersMax = 8;
inline constexpr unsigned kExtensionBytesMax = 512;

// RFC 8200 section 4, and those of RFC 4302, 4303, 6275, 7401, 5533.
bool is_extension_header(uint8_t next_header);

// The headers after an IPv6 header.
struct Ipv6Chain {
  uint8_t proto = 0;          // what follows the chain; in a later fragment only its sender's word
  uint16_t bytes = 0;         // IPv6 header and chain
  uint16_t fragment_at = 0;   // the fragment header's place; 0: there is none
  uint16_t offset_units = 0;  // fragment: its place in the packet, in 8 bytes
  bool more = false;          // fragment: it is not the last one
  uint32_t id = 0;            // fragment

  // Of one fragment alone it is whole (RFC 6946).
  bool is_fragment() const { return offset_units != 0 || more; }
  bool is_later_fragment() const { return offset_units != 0; }
};

// `packet_bytes`: from the IPv6 header on, as far as the packet, or what is quoted of it, reaches; at least that header.
// Hop-by-hop options (first), destination options, a routing header that is used up and a fragment header pass; they
// are not looked into. What follows the fragment header of a later fragment is data. Refused: ip_extension.
std::optional<DropReason> walk_ipv6_chain(const uint8_t* packet, unsigned packet_bytes, Ipv6Chain& chain);

// For a header that lies in the frame. A source route would send our packets past us, and options without sense are
// nobody's (RFC 7126 sections 4.3 and 4.4). Refused: ip_options.
std::optional<DropReason> check_ipv4_options(const rte_ipv4_hdr& ip);

}  // namespace millrace
