#include "dataplane/stages/proxy_splice.h"

#include "dataplane/stages/outcome.h"
#include "dataplane/stages/proxy_connect.h"
#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_say.h"
#include "dataplane/stages/splice_timestamps.h"

namespace millrace {
namespace {

// RFC 5961 section 3: the number that the receiver expects. It has acknowledged that much, or all that was sent.
bool is_exact_reset(const Splice& splice, Direction from, const TcpSegment& segment) {
  const uint32_t peer_acked = numbers_of(splice, opposite(from)).acked - seq_delta_of(splice, from);
  return segment.seq == numbers_of(splice, from).next || segment.seq == peer_acked;
}

// Our ACK did not reach the backend, and nothing of the client did either.
bool is_syn_ack_again(const Splice& splice, Direction from, const TcpSegment& segment) {
  return from == Direction::reverse && segment.has(kTcpAck) && segment.seq + 1 == splice.backend_next;
}

// The beginning of another connection on the client's tuple: this one was reset, or both sides have closed it and the
// SYN is newer than all of it (RFC 9293 section 3.6.1), not one that comes late.
bool begins_anew(const ConnEntry& entry, const Splice& splice, Direction from, const TcpSegment& segment) {
  if (from != Direction::forward || tcp_event(segment.flags) != TcpEvent::syn) return false;
  return entry.state == ConnState::closed ||
         (entry.state == ConnState::time_wait && seq_before(splice.client_next, segment.seq));
}

// A SYN within a connection comes late, is sent blindly, or its sender has forgotten the connection. Only the last
// answers with a reset, which ends it (RFC 5961 section 4). The other side never sees the SYN: had it forgotten too, it
// would take it for the beginning of a connection with numbers of this one.
void answer_syn_within(Worker& worker, ConnIndex index, Direction from, const TcpSegment& segment) {
  const Splice& splice = worker.splice(index);
  if (is_syn_ack_again(splice, from, segment)) return say_to_backend(worker, index, splice.backend_acked, {});
  if (!worker.challenges.take(worker.clock.now_ms())) return;
  worker.counters.challenge_acks.add(1);
  // One number too low: whoever knows the connection answers that with an ACK, and takes no window from it.
  if (from == Direction::forward)
    say_probe_to_client(worker, index);
  else
    say_to_backend(worker, index, splice.backend_acked - 1, {});
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
  ConnEntry& entry = worker.slab[ref.index];
  Splice& splice = worker.splice(ref.index);
  const TcpSegment segment = tcp_segment(burst, i);
  if (begins_anew(entry, splice, ref.direction, segment)) return SpliceVerdict::decide;
  if (in_handshake(entry)) {
    if (!act_on_handshake(worker, burst, i)) return SpliceVerdict::done;
  } else if (segment.has(kTcpSyn)) {
    answer_syn_within(worker, ref.index, ref.direction, segment);
    absorb_packet(worker, burst, i);
    return SpliceVerdict::done;
  } else if (segment.has(kTcpRst)) {
    if (!is_exact_reset(splice, ref.direction, segment)) return SpliceVerdict::pass;
    // Its sender's next SYN need not be newer.
    if (entry.state == ConnState::time_wait) entry.state = ConnState::closed;
    if (ref.direction == Direction::reverse) outlive_cookie(worker, ref.index);
    return SpliceVerdict::decide;
  } else if (!track_segment(splice, ref.direction, segment)) {
    return SpliceVerdict::pass;
  }
  if (needs_timestamps(splice) && !bridge_timestamps(worker, burst, i)) return SpliceVerdict::done;
  return SpliceVerdict::decide;
}

}  // namespace millrace
