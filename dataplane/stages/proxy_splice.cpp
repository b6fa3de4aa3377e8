#include "dataplane/stages/proxy_splice.h"

#include "dataplane/stages/outcome.h"
#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_say.h"
#include "dataplane/stages/splice_timestamps.h"

namespace millrace {
namespace {

// RFC 5961 section 3: the number that the receiver expects. It has acknowledged that much, or all that was sent.
bool is_exact_reset(Splice& splice, Direction from, const TcpSegment& segment) {
  const SenderView view = sender_view(splice, from);
  return segment.seq == view.next || segment.seq == view.peer_acked;
}

// Our ACK did not reach the backend, and nothing of the client did either.
bool is_syn_ack_again(const Splice& splice, Direction from, const TcpSegment& segment) {
  return from == Direction::reverse && segment.has(kTcpSyn) && segment.has(kTcpAck) &&
         segment.seq + 1 == splice.backend_next;
}

}  // namespace

bool pass_spliced(Worker& worker, Burst& burst, unsigned i) {
  const ConnRef& ref = burst.conns[i];
  Splice& splice = worker.splice(ref.index);
  if (!track_segment(splice, ref.direction, tcp_segment(burst, i))) return false;
  return !needs_timestamps(splice) || bridge_timestamps(worker, burst, i);
}

SpliceVerdict act_on_spliced(Worker& worker, Burst& burst, unsigned i) {
  const ConnRef& ref = burst.conns[i];
  const ConnEntry& entry = worker.slab[ref.index];
  const TcpSegment segment = tcp_segment(burst, i);
  const bool new_syn = ref.direction == Direction::forward && tcp_event(segment.flags) == TcpEvent::syn;
  if (new_syn && reopens(entry.state)) return SpliceVerdict::decide;
  Splice& splice = worker.splice(ref.index);
  if (in_handshake(entry)) {
    if (!act_on_handshake(worker, burst, i)) return SpliceVerdict::done;
    if (!needs_timestamps(splice) || bridge_timestamps(worker, burst, i)) return SpliceVerdict::decide;
    return SpliceVerdict::done;
  }
  if (segment.has(kTcpRst))
    return is_exact_reset(splice, ref.direction, segment) ? SpliceVerdict::decide : SpliceVerdict::pass;
  if (is_syn_ack_again(splice, ref.direction, segment)) {
    say_to_backend(worker, ref.index, splice.backend_acked, {});
    burst.info[i].kind = PacketKind::done;
    absorb_packet(worker, burst.mbufs[i]);
    return SpliceVerdict::done;
  }
  // A SYN within a connection is the other end's to challenge (RFC 5961 section 4).
  if (segment.has(kTcpSyn) || !track_segment(splice, ref.direction, segment)) return SpliceVerdict::pass;
  if (needs_timestamps(splice) && !bridge_timestamps(worker, burst, i)) return SpliceVerdict::done;
  return SpliceVerdict::decide;
}

}  // namespace millrace
