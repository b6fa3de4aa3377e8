// transmit.cpp: last stage: empties the buffers that the burst filled.
// Route:  worker_turn > transmit_burst > flush_target, flush_handover
// Bound:  kTxTries tries a queue.
// Tests:  tests/unit/stages/worker_test.cpp

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "dataplane/stages/handover.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/untag.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

// A NIC frees descriptors within a few hundred cycles; longer would only move the loss to the receive queues.
constexpr unsigned kTxTries = 8;

}  // namespace

void flush_target(Worker& worker, TxTarget& target) {
  if (target.vlan != 0) tag_frames(worker, target);
  uint64_t bytes = 0;
  for (unsigned i = 0; i < target.count; ++i) bytes += target.mbufs[i]->pkt_len;
  unsigned sent = 0;
  for (unsigned tries = 0; tries < kTxTries && sent < target.count; ++tries) {
    if (tries != 0) rte_pause();
    sent += rte_eth_tx_burst(target.dpdk_port, target.queue, &target.mbufs[sent],
                             static_cast<uint16_t>(target.count - sent));
  }
  for (unsigned i = sent; i < target.count; ++i) {
    bytes -= target.mbufs[i]->pkt_len;
    drop_packet(worker, target.mbufs[i], DropReason::tx_full);
  }
  target.count = 0;
  if (target.to_kernel) {
    worker.counters.diverted.add(sent);
    return;
  }
  worker.counters.tx_packets.add(sent);
  worker.counters.tx_bytes.add(bytes);
}

void transmit_burst(Worker& worker) {
  for (uint64_t dirty = worker.tx_dirty; dirty != 0; dirty &= dirty - 1)
    flush_target(worker, worker.tx[static_cast<unsigned>(__builtin_ctzll(dirty))]);
  worker.tx_dirty = 0;
  flush_handover(worker);
}

}  // namespace millrace
