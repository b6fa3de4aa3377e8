// outcome.h: the ways a packet ends. Each takes the mbuf over and counts it, so that the equation of counters.h holds
// after every burst.
// Thread: owning worker.
#pragma once

#include "dataplane/ports/port.h"
#include "dataplane/ports/routes.h"
#include "millrace/drop_reason.h"
#include "millrace/ids.h"

struct rte_mbuf;

namespace millrace {

struct Burst;
struct Worker;

// `mbuf` may be null: what there was no buffer for.
void drop_packet(Worker& worker, rte_mbuf* mbuf, DropReason reason);
// Packet i of the burst, which is done with it.
void drop_packet(Worker& worker, Burst& burst, unsigned i, DropReason reason);

// A segment of a proxied handshake, which has done its part.
void absorb_packet(Worker& worker, Burst& burst, unsigned i);

// To the kernel: by the port's TAP, or by doing nothing where the kernel has its own copy. Without a kernel side it
// is a drop: no_config before the first configuration, `refused` after it. `mbuf` is as it came in by `port`.
void divert_packet(Worker& worker, rte_mbuf* mbuf, PortIndex port, DropReason refused = DropReason::not_ours);
// The same for a frame of no VLAN that a port of the device has, its tags in it. `port`: any of the device.
void divert_whole_frame(Worker& worker, rte_mbuf* mbuf, PortIndex port);

// A finished frame leaves by the NIC of `port` when the burst ends.
void transmit_packet(Worker& worker, rte_mbuf* mbuf, PortIndex port);
// The same for any entry of Worker::tx.
void transmit_to(Worker& worker, rte_mbuf* mbuf, uint8_t target);

// A packet as it came in by `port` goes to its owner, who parses it anew.
void handover_packet(Worker& worker, rte_mbuf* mbuf, PortIndex port, WorkerIndex owner);
// A fragment as it came in by `port` goes to the owner of its datagram.
void handover_fragment(Worker& worker, rte_mbuf* mbuf, PortIndex port, WorkerIndex owner);
// A fragment whose ports are known goes to the owner of its connection.
void handover_followed(Worker& worker, const Burst& burst, unsigned i, WorkerIndex owner);

// The gauge, after packets began or ended to wait.
void count_held(Worker& worker);

}  // namespace millrace
