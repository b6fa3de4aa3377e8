// port_open.h: opens the configured ports with DPDK and deals their queues to the workers.
// Thread: main lcore, at start and end.
#pragma once

#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "dataplane/conn/owner.h"
#include "dataplane/ports/port.h"

struct rte_mempool;

namespace millrace {

// Throws std::runtime_error: one sentence that names port, device and cause, and the command that mends it (interface
// missing, down or with a foreign XDP program; driver refuses; clang's object missing; …). Nothing stays half open.
// Says by Port::steering how each finds the owners of its packets; `owner` shrinks to the smallest RSS table among them.
// Before an af_xdp port opens, an XDP program of ours that a killed process left on its interface is replaced.
std::vector<Port> open_ports(const std::vector<config::PortConfig>& wanted, Owner& owner, rte_mempool* mbuf_pool);

// Stops and closes them; our XDP programs are detached. At the end of the process only: DPDK's AF_XDP driver keeps its
// socket, so one process cannot open an interface twice.
void close_ports(const std::vector<Port>& ports);

}  // namespace millrace
