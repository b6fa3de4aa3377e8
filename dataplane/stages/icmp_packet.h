// icmp_packet.h: where the ICMP message of a frame lies, after every check that its headers allow.
// Route:  answer_echo | read_icmp_error > read_icmp_packet
// Thread: any; pure. Frames are untagged Ethernet in one segment.
// Fails:  with the reason to drop the frame under.
// Tests:  tests/unit/stages/icmp_echo_test.cpp
#pragma once

#include <cstdint>
#include <optional>

#include "millrace/addr.h"
#include "millrace/drop_reason.h"

struct rte_mbuf;

namespace millrace {

struct IcmpPacket {
  Family family{};
  uint8_t type = 0;
  uint16_t icmp_offset = 0;  // from the start of the frame
  uint16_t icmp_bytes = 0;   // at least 8, all of them in the frame
};

// Lengths, not a fragment, ICMP(v6) behind the IP header and what may stand there (ip_headers.h), ICMP checksum. The
// IPv4 header checksum is parse's.
std::optional<DropReason> read_icmp_packet(const rte_mbuf& frame, IcmpPacket& packet);

}  // namespace millrace
