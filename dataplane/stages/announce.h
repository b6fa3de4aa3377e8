// announce.h: tells the neighbours, unasked, that VIPs and SNAT addresses are here: gratuitous ARP (RFC 5227 section
// 2.3) and unsolicited neighbour advertisements (RFC 4861 section 7.2.6).
// Route:  worker_turn > announce_addresses > transmit_packet
// Thread: the worker that owns queue 0 of a port announces on it.
// Bound:  one address a millisecond and port, so that a large SNAT pool does not flood the wire.
// Holds:  every configuration is announced once; changes of health and weight, which keep its generation, are not.
// Fails:  without a packet buffer it goes on in the next millisecond.
// Tests:  tests/unit/stages/announce_test.cpp
#pragma once

namespace millrace {

struct Worker;

void announce_addresses(Worker& worker);

}  // namespace millrace
