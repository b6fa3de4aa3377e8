// drop_blocked.h: drops what comes to a VIP from a source on the blocklist, also of connections that live.
// Route:  worker_turn > parse_burst > drop_blocked > follow_fragments, only while there is a blocklist
// Spared: neighbour discovery, without which nobody finds the VIP; and on a VIP that is a SNAT address as well whatever
//         may be a backend's answer: packets to SNAT ports, ICMP errors, later fragments.
// Ports:  of every kind. What the XDP program of an af_xdp port sees to be blocked (dataplane/bpf/steer.bpf.c) never comes
//         here.
// Thread: owning worker.
// Tests:  tests/unit/stages/drop_blocked_test.cpp
#pragma once

namespace millrace {

struct Burst;
struct Worker;

// Precondition: worker.snapshot->blocklist.
void drop_blocked(Worker& worker, Burst& burst);

}  // namespace millrace
