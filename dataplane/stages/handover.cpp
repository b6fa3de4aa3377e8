// handover.cpp: see the header. Buffers a burst for each other worker, so that a ring is touched once a burst.
#include "dataplane/stages/handover.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <cstring>

#include "dataplane/stages/outcome.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

void flush_buffer(Worker& worker, HandoverBuffer& buffer) {
  const unsigned sent =
      rte_ring_sp_enqueue_burst(buffer.ring, reinterpret_cast<void**>(buffer.mbufs.data()), buffer.count, nullptr);
  worker.counters.handed_out.add(sent);
  for (unsigned i = sent; i < buffer.count; ++i) drop_packet(worker, buffer.mbufs[i], DropReason::handover_full);
  buffer.count = 0;
}

void enqueue(Worker& worker, rte_mbuf* mbuf, const HandoverNote& note, WorkerIndex to) {
  write_handover_note(mbuf, note);
  HandoverBuffer& buffer = worker.handover[raw(to)];
  if (buffer.count == buffer.mbufs.size()) flush_buffer(worker, buffer);
  buffer.mbufs[buffer.count++] = mbuf;
  worker.handover_dirty = true;
}

}  // namespace

HandoverNote read_handover_note(rte_mbuf* mbuf) {
  HandoverNote note;
  std::memcpy(&note, rte_mbuf_to_priv(mbuf), sizeof note);
  return note;
}

void write_handover_note(rte_mbuf* mbuf, const HandoverNote& note) {
  std::memcpy(rte_mbuf_to_priv(mbuf), &note, sizeof note);
}

void handover_packet(Worker& worker, rte_mbuf* mbuf, PortIndex port, WorkerIndex owner) {
  worker.counters.ports[raw(port)].handed_over.add(1);
  enqueue(worker, mbuf, HandoverNote{.kind = HandoverKind::packet, .port = port}, owner);
}

void handover_fragment(Worker& worker, rte_mbuf* mbuf, PortIndex port, WorkerIndex owner) {
  enqueue(worker, mbuf, HandoverNote{.kind = HandoverKind::fragment, .port = port}, owner);
}

void handover_followed(Worker& worker, const Burst& burst, unsigned i, WorkerIndex owner) {
  enqueue(worker, burst.mbufs[i], followed_note(burst.info[i].port, tuple_of(burst, i)), owner);
}

void handover_frame(Worker& worker, rte_mbuf* mbuf, uint8_t target, WorkerIndex owner) {
  enqueue(worker, mbuf, HandoverNote{.kind = HandoverKind::frame, .target = target}, owner);
}

HandoverNote followed_note(PortIndex port, const Tuple& tuple) {
  return {.kind = HandoverKind::followed,
          .port = port,
          .proto = tuple.proto,
          .src_port = tuple.src_port,
          .dst_port = tuple.dst_port};
}

void flush_handover(Worker& worker) {
  if (!worker.handover_dirty) return;
  worker.handover_dirty = false;
  for (HandoverBuffer& buffer : worker.handover)
    if (buffer.count != 0) flush_buffer(worker, buffer);
}

}  // namespace millrace
