// link_answers.h: ARP and neighbour discovery for the addresses that the dataplane owns (VIPs, SNAT addresses): reads
// a question, turns its frame into the answer, and makes the announcements sent at start.
// Route:  parse_burst > read_arp | read_solicitation > (is the target ours?) > answer_arp | answer_solicitation
// Thread: any; touches the given frame alone. Frames are untagged Ethernet in one segment.
// Fails:  a malformed question is named; nothing is read past the frame. The answer to a DAD probe tells the prober
//         that the address is taken (RFC 4862 section 5.4.3).
// Tests:  tests/unit/stages/link_answers_test.cpp
#pragma once

#include <cstdint>

#include "millrace/addr.h"

struct rte_mbuf;

namespace millrace {

enum class LinkQuestion : uint8_t {
  asks,       // `target` is set: answer if that address is ours, else leave the frame to the kernel
  other,      // not a question (an ARP reply, an advertisement): the kernel's
  malformed,  // drop as arp_malformed
};

// For a frame with EtherType ARP. Checks RFC 826: Ethernet, IPv4, lengths, operation; and that the sender's hardware
// address is one that can be answered.
LinkQuestion read_arp(const rte_mbuf& frame, IpAddr& target);

// For an IPv6 frame whose next header is ICMPv6. `other` unless it is a neighbour solicitation; then the checks of
// RFC 4861 section 7.1.1: hop limit, checksum, code, length, target, every option, and what a DAD probe (source ::)
// must look like.
LinkQuestion read_solicitation(const rte_mbuf& frame, IpAddr& target);

// In place; only for a frame that the reader above said `asks` for, unchanged since.
void answer_arp(rte_mbuf& frame, const MacAddr& mac);

// Solicited and override flags, target link-layer address option (RFC 4861 section 7.2.4); a DAD probe is answered
// to all nodes, unsolicited. False: the frame has no room for the option (drop as no_mbuf), and is spoilt.
bool answer_solicitation(rte_mbuf& frame, const MacAddr& mac);

// Fill an empty mbuf. False: it has no room.
bool build_arp_announcement(rte_mbuf& frame, const MacAddr& mac, Be32 addr);                    // RFC 5227 section 2.3
bool build_unsolicited_advertisement(rte_mbuf& frame, const MacAddr& mac, const IpAddr& addr);  // RFC 4861 7.2.6

}  // namespace millrace
