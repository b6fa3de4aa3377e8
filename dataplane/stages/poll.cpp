// poll.cpp: first stage: takes packets from ports and other workers.
// Route:  worker_turn > poll_burst > parse_burst
// Bound:  kBurstMax packets a turn over all sources, or what the operator says.
// Tests:  tests/unit/stages/worker_test.cpp

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include <optional>
#include <span>

#include "dataplane/stages/fragments.h"
#include "dataplane/stages/handover.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/untag.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

void add_to_burst(Burst& burst, rte_mbuf* mbuf, const PacketInfo& info) {
  const unsigned i = burst.count++;
  burst.mbufs[i] = mbuf;
  burst.info[i] = info;
}

void take_from_worker(Worker& worker, Burst& burst, rte_mbuf* mbuf) {
  const HandoverNote note = read_handover_note(mbuf);
  if (note.kind == HandoverKind::frame) return transmit_to(worker, mbuf, note.target);
  // The owner of a datagram has not decided yet whose it is.
  const bool handed = note.kind != HandoverKind::fragment;
  const bool followed = note.kind == HandoverKind::followed;
  add_to_burst(burst, mbuf, PacketInfo{.port = note.port, .handed = handed, .followed = followed});
}

// Each frame to its own port. What is of no port of ours counts with the source's.
void take_from_vlans(Worker& worker, const RxSource& source, Burst& burst, std::span<rte_mbuf* const> mbufs) {
  for (const rte_mbuf* mbuf : mbufs) rte_prefetch0(rte_pktmbuf_mtod(mbuf, const void*));
  for (rte_mbuf* mbuf : mbufs) {
    const std::optional<PortIndex> port = claim_frame(worker, source, mbuf);
    worker.counters.ports[raw(port.value_or(source.port))].rx_packets.add(1);
    if (port) add_to_burst(burst, mbuf, PacketInfo{.port = *port});
  }
}

unsigned poll_source(Worker& worker, const RxSource& source, Burst& burst, unsigned room) {
  rte_mbuf* mbufs[kBurstMax];
  if (source.kind == SourceKind::worker) {
    const unsigned count = rte_ring_sc_dequeue_burst(source.ring, reinterpret_cast<void**>(mbufs), room, nullptr);
    for (unsigned i = 0; i < count; ++i) take_from_worker(worker, burst, mbufs[i]);
    if (count != 0) worker.counters.handed_in.add(count);
    return count;
  }
  const unsigned count = rte_eth_rx_burst(source.dpdk_port, source.queue, mbufs, static_cast<uint16_t>(room));
  if (count == 0) return 0;
  uint64_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) bytes += mbufs[i]->pkt_len;
  if (source.vlans != nullptr) [[unlikely]] {
    take_from_vlans(worker, source, burst, {mbufs, count});
  } else {
    for (unsigned i = 0; i < count; ++i) {
      // What the kernel sends by its TAP goes out as it is: its VLAN interfaces have put the tags in.
      if (source.kind == SourceKind::kernel)
        transmit_to(worker, mbufs[i], whole_nic_target(source.port));
      else
        add_to_burst(burst, mbufs[i], PacketInfo{.port = source.port});
    }
    if (source.kind == SourceKind::nic) worker.counters.ports[raw(source.port)].rx_packets.add(count);
  }
  worker.counters.rx_packets.add(count);
  worker.counters.rx_bytes.add(bytes);
  return count;
}

}  // namespace

// Each turn another source is asked first, and the first may fill the burst: full bursts under load, and nobody waits
// longer than as many turns as there are sources.
unsigned poll_burst(Worker& worker, Burst& burst) {
  burst.count = 0;
  const unsigned told = worker.snapshot->settings.burst_packets;
  const unsigned most = told == 0 ? kBurstMax : told;
  const unsigned source_count = static_cast<unsigned>(worker.sources.size());
  unsigned taken = worker.datagrams.has_ready() ? take_ready_fragments(worker, burst) : 0;
  unsigned at = worker.source_next;
  for (unsigned i = 0; i < source_count && taken < most; ++i) {
    taken += poll_source(worker, worker.sources[at], burst, most - taken);
    at = at + 1 == source_count ? 0 : at + 1;
  }
  if (source_count != 0) worker.source_next = worker.source_next + 1 == source_count ? 0 : worker.source_next + 1;
  return taken;
}

}  // namespace millrace
