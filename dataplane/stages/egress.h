// egress.h: the last steps of a packet, inline for those of open connections: its MAC addresses, its transmit queue.
// Route:  rewrite_packet | transmit_to > queue_frame
// Thread: owning worker.
#pragma once

#include <cstring>

#include "dataplane/ports/neighbours.h"
#include "dataplane/stages/handover.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// To the next hop, from its port. Two stores for twelve bytes.
inline void write_macs(uint8_t* frame, const NextHop& hop, const PortFacts& port) {
  const uint64_t first = hop.mac_word() | port.mac_word << 48;
  const auto last = static_cast<uint32_t>(port.mac_word >> 16);
  std::memcpy(frame, &first, sizeof first);
  std::memcpy(frame + sizeof first, &last, sizeof last);
}

inline void queue_frame(Worker& worker, rte_mbuf* mbuf, uint8_t target) {
  TxTarget& tx = worker.tx[target];
  if (tx.owner != worker.self) [[unlikely]]
    return handover_frame(worker, mbuf, target, tx.owner);
  if (tx.count == tx.mbufs.size()) [[unlikely]]
    flush_target(worker, tx);
  tx.mbufs[tx.count++] = mbuf;
  worker.tx_dirty |= uint64_t{1} << target;
}

}  // namespace millrace
