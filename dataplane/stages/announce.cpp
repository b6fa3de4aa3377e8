// announce.cpp: see the header. One address a call, from a cursor that survives changes of health.
#include "dataplane/stages/announce.h"

#include <rte_mbuf.h>

#include "dataplane/stages/link_answers.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

// False: no buffer was free.
bool announce_on(Worker& worker, const Port& port, const IpAddr& addr) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(worker.state.mbuf_pool);
  if (mbuf == nullptr) return false;
  const bool built = addr.is_ipv4() ? build_arp_announcement(*mbuf, port.mac, addr.ipv4())
                                    : build_unsolicited_advertisement(*mbuf, port.mac, addr);
  worker.counters.originated.add(1);
  if (built)
    transmit_packet(worker, mbuf, port.index);
  else
    drop_packet(worker, mbuf, DropReason::no_mbuf);
  return true;
}

}  // namespace

void announce_addresses(Worker& worker) {
  const Snapshot& snapshot = *worker.snapshot;
  if (snapshot.generation != worker.announced_generation) {
    worker.announced_generation = snapshot.generation;
    worker.announce_next = 0;
  }
  const auto& rows = snapshot.vips.addresses();
  while (worker.announce_next < rows.size() && rows[worker.announce_next].owned.kernel_owned) ++worker.announce_next;
  if (worker.announce_next >= rows.size()) return;
  for (const Port& port : worker.state.ports)
    if (port.queue_owner[0] == worker.self && !announce_on(worker, port, rows[worker.announce_next].addr)) return;
  ++worker.announce_next;
}

}  // namespace millrace
