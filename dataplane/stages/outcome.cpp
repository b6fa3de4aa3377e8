// outcome.cpp: see the header.
#include "dataplane/stages/outcome.h"

#include <rte_mbuf.h>

#include "dataplane/stages/egress.h"
#include "dataplane/stages/punt.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

void drop_packet(Worker& worker, rte_mbuf* mbuf, DropReason reason) {
  worker.counters.dropped[static_cast<unsigned>(reason)].add(1);
  rte_pktmbuf_free(mbuf);
}

void drop_packet(Worker& worker, Burst& burst, unsigned i, DropReason reason) {
  burst.info[i].kind = PacketKind::done;
  drop_packet(worker, burst.mbufs[i], reason);
}

void absorb_packet(Worker& worker, Burst& burst, unsigned i) {
  burst.info[i].kind = PacketKind::done;
  worker.counters.absorbed.add(1);
  rte_pktmbuf_free(burst.mbufs[i]);
}

namespace {

void divert_to(Worker& worker, rte_mbuf* mbuf, PortIndex port, uint8_t target, DropReason refused) {
  const Port& from = worker.state.ports[raw(port)];
  if (from.exception_port != kNoDpdkPort) {
    if (!worker.punts.take(punt_class({rte_pktmbuf_mtod(mbuf, const uint8_t*), mbuf->data_len}), worker.clock.now_ms()))
      return drop_packet(worker, mbuf, DropReason::punt_rate);
    return transmit_to(worker, mbuf, target);
  }
  if (!from.kernel_sees_all)
    return drop_packet(worker, mbuf, worker.snapshot->generation == 0 ? DropReason::no_config : refused);
  worker.counters.diverted.add(1);
  rte_pktmbuf_free(mbuf);
}

}  // namespace

void divert_packet(Worker& worker, rte_mbuf* mbuf, PortIndex port, DropReason refused) {
  divert_to(worker, mbuf, port, kernel_target(port), refused);
}

void divert_whole_frame(Worker& worker, rte_mbuf* mbuf, PortIndex port) {
  divert_to(worker, mbuf, port, whole_kernel_target(port), DropReason::unknown_vlan);
}

void count_held(Worker& worker) { worker.counters.held.set(worker.held.count() + worker.datagrams.held_count()); }

void transmit_packet(Worker& worker, rte_mbuf* mbuf, PortIndex port) { transmit_to(worker, mbuf, nic_target(port)); }

void transmit_to(Worker& worker, rte_mbuf* mbuf, uint8_t target) { queue_frame(worker, mbuf, target); }

}  // namespace millrace
