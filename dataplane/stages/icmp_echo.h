// icmp_echo.h: pings to a VIP or SNAT address are answered here, in the frame that asked.
// Route:  slow path > is_echo_request > answer_echo > transmit to where it came from
// Thread: any; touches the given frame alone. Frames are untagged Ethernet in one segment.
// Fails:  with the reason to drop the frame under; it is unchanged then.
// Tests:  tests/unit/stages/icmp_echo_test.cpp
#pragma once

#include <cstdint>
#include <optional>

#include "millrace/addr.h"
#include "millrace/drop_reason.h"

struct rte_mbuf;

namespace millrace {

inline constexpr uint8_t kReplyTtl = 64;  // the default TTL of the assigned numbers, RFC 1700

constexpr bool is_echo_request(Family family, uint8_t icmp_type) {
  return icmp_type == (family == Family::ipv4 ? 8 : 128);
}

// For an IPv4 or IPv6 frame with ICMP(v6) behind it. MACs and addresses change places, TTL starts anew, the type turns
// to reply, checksums follow. IPv4 options and IPv6 extension headers are left out of the reply: we are no hop of a
// recorded route, and a source route must not be followed. The ICMP checksum is verified first.
std::optional<DropReason> answer_echo(rte_mbuf& frame);

}  // namespace millrace
