// slow_path.h: packets that are answered or translated one by one: ARP, neighbour discovery, ping, ICMP errors.
// Route:  act_burst > handle_arp | handle_icmp > (answered in place) transmit_packet | send_along | divert | drop
// Thread: owning worker.
// Bound:  answers to ICMP are rate-limited (icmp_rate), so that a ping flood cannot take the worker.
// Holds:  the packet is done afterwards.
// Tests:  tests/unit/stages/slow_path_test.cpp
#pragma once

#include <cstdint>

#include "dataplane/stages/burst.h"

namespace millrace {

struct Worker;

void handle_arp(Worker& worker, Burst& burst, unsigned i);
void handle_icmp(Worker& worker, Burst& burst, unsigned i);

// False: no more ICMP answers in this window.
bool take_icmp_token(Worker& worker);

// The sender learns the MTU (RFC 1191, RFC 4443), or else its large packets would vanish. `mbuf` is as it came in by
// `port`; `source` is whom it was sent to.
void answer_too_big(Worker& worker, rte_mbuf* mbuf, PortIndex port, const IpAddr& source, uint16_t mtu_bytes);

}  // namespace millrace
