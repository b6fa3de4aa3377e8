// icmp_error.h: ICMP errors about our connections, read and passed on to the other side (RFC 5508 section 4.2; the
// same for ICMPv6), and "too big" answers of our own.
// Route:  slow path > read_icmp_error > find opposite_key4/6 > translate_icmp_error > transmit
// The error quotes a packet that we sent, that is, after translation: (snat -> backend) or (vip -> client). The quoted
// tuple with its ends exchanged is therefore the key of the packets that come from where the error comes from; the
// ConnRef found under it names the direction in which the error travels: reverse towards the client, forward towards
// the backend.
// Thread: any; touches the given frame alone. Frames are untagged Ethernet in one segment.
// Fails:  with the reason to drop the frame under; nothing is read past it.
// Tests:  tests/unit/stages/icmp_error_test.cpp, icmp_too_big_test.cpp
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/conn/conn_table.h"
#include "millrace/addr.h"
#include "millrace/conn_entry.h"
#include "millrace/drop_reason.h"
#include "millrace/splice.h"
#include "millrace/tuple.h"

struct rte_mbuf;

namespace millrace {

// Destination unreachable, time exceeded, parameter problem; ICMPv6 packet too big. Source quench is dead (RFC 6633),
// a redirect is between neighbours.
constexpr bool is_icmp_error(Family family, uint8_t icmp_type) {
  if (family == Family::ipv4) return icmp_type == 3 || icmp_type == 11 || icmp_type == 12;
  return icmp_type >= 1 && icmp_type <= 4;
}

// Where things are in the frame, and whom it is about.
struct IcmpError {
  Family family{};
  Proto proto{};                 // of the quoted packet
  uint16_t icmp_offset = 0;      // from the start of the frame
  uint16_t quote_offset = 0;     // quoted IP header
  uint16_t quote_l4_offset = 0;  // quoted TCP or UDP header, at least 8 bytes
  uint16_t quote_end = 0;        // end of what is quoted of that packet
  // The quoted packet's tuple as it stands there; of one family.
  FlowKey4 quoted4;
  FlowKey6 quoted6;
};

// For an IPv4 or IPv6 frame with ICMP(v6) behind it. Reasons: icmp_unsupported (no such error), icmp_malformed (quote
// cut short or impossible), icmp_unknown_flow (about something that is never ours: not TCP or UDP, a later
// fragment), bad_l4_checksum, fragment, and those of the IP header.
std::optional<DropReason> read_icmp_error(const rte_mbuf& frame, IcmpError& error);

// The key to look up: packets that travel against the quoted one.
inline FlowKey4 opposite_key4(const IcmpError& error) {
  const FlowKey4& quoted = error.quoted4;
  return {quoted.dst, quoted.src, quoted.dst_port, quoted.src_port, quoted.proto};
}
inline FlowKey6 opposite_key6(const IcmpError& error) {
  const FlowKey6& quoted = error.quoted6;
  return {quoted.dst, quoted.src, quoted.dst_port, quoted.src_port, quoted.proto};
}

// Rewrites outer and quoted addresses, quoted ports and every checksum; the TTL goes down by one. MTU and pointer
// fields stay: translation changes no length. `direction` is that of the ConnRef found under the opposite key.
// With `splice` the quoted sequence and acknowledgment numbers go back to what the receiver knows, which it compares
// with its own (RFC 5927 section 4.1). Of the quoted window and options nothing does: nobody looks at them.
// Outer source: fullnat and proxy show the VIP to clients and the SNAT address to backends, since nothing else of the
// path is known to them; nat shows the VIP for the backend itself and leaves routers their own address.
// Only drop reason: ttl_expired. MAC addresses are the caller's.
std::optional<DropReason> translate_icmp_error(rte_mbuf& frame, const IcmpError& error, const ConnEntry& connection,
                                               const Splice* splice, Direction direction);

enum class QuotedPacket : uint8_t { whole, cut_short };

// Turns a TCP or UDP packet as received, not yet translated, into "fragmentation needed" (RFC 1191) or "packet too
// big" (RFC 4443 section 3.2) for its sender, from `source`, saying `mtu_bytes` for its next hop. MACs change places.
// Refused: an IPv4 packet without DF (mtu_exceeded), a frame without headroom (no_mbuf), one that ends before the packet
// does (bad_ip_length), unless it may: cut_short, of a packet that is quoted itself. It is unchanged then.
std::optional<DropReason> make_too_big(rte_mbuf& frame, const IpAddr& source, uint16_t mtu_bytes,
                                       QuotedPacket packet = QuotedPacket::whole);

}  // namespace millrace
