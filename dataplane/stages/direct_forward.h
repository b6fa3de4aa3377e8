// direct_forward.h: a client's packet on its way to a backend in mode dsr or tunnel: as it came but for its TTL, with the
// backend's MAC address or in the backend's tunnel.
// Route:  rewrite_burst | open_direct | handle_icmp > forward_direct > encapsulate, transmit
// Thread: owning worker.
// Tests:  tests/unit/stages/direct_test.cpp
#pragma once

#include "dataplane/stages/burst.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// `flow` is the entry that the packet belongs to, or one that is like it (describe_direct). Ends the packet: sent, held,
// dropped, or turned into the answer that it is too big.
void forward_direct(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info, ConnEntry& flow);

}  // namespace millrace
