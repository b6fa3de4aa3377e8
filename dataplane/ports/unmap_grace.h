// unmap_grace.h: memory that a driver shares with a peer goes away only when no worker looks at it any more.
// DPDK's memif driver unmaps its rings on DPDK's interrupt thread the moment the peer is gone, and a worker inside
// rte_eth_rx_burst or rte_eth_tx_burst would die of it. The driver first clears the flag that every burst looks at, so
// one quiescent state of each worker is enough. As the driver has no hook, this program has its own munmap(), to which
// the driver's calls lead: docs/decisions/0007-memif-unmap.md.
// Thread: begin and end on the main lcore; munmap on any.
// Bound:  an unmapping waits for the slowest worker's turn. Threads of DPDK's own alone wait, never an lcore.
// Tests:  tests/unit/ports/unmap_grace_test.cpp, tests/smoke/test_memif.py
#pragma once

struct rte_rcu_qsbr;

namespace millrace {

// `workers` stays until end_unmap_grace().
void begin_unmap_grace(rte_rcu_qsbr* workers);
void end_unmap_grace();

}  // namespace millrace
