// proxy_splice.h: what the dataplane remembers of a spliced connection's sequence numbers, and what it lets change the
// connection's state. The two ends judge every segment by themselves (RFC 5961), so nothing is dropped here; but a reset
// or FIN that was sent blindly must not end what the ends go on with.
// Route:  act_burst > act_on_settled > track_segment; act_on_flow > act_on_spliced
// Thread: owning worker.
// Tests:  tests/unit/stages/proxy_test.cpp, tests/tcp
#pragma once

#include "dataplane/stages/tcp_segment.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/tcp/splice_translate.h"

namespace millrace {

// How far a sequence number may lie from the last one that was seen: the widest windows in use.
inline constexpr uint32_t kPlausibleDistance = 1u << 24;

inline bool is_near(uint32_t a, uint32_t b) { return a - b + kPlausibleDistance <= 2 * kPlausibleDistance; }

// Both fields of a sender's side of the splice.
struct SenderView {
  uint32_t& next;      // Splice::client_next or backend_next
  uint32_t& acked;     // of the peer's, by this sender
  uint32_t peer_next;  // as this sender numbers it
  uint32_t peer_acked;
};
inline SenderView sender_view(Splice& splice, Direction from) {
  if (from == Direction::forward)
    return {splice.client_next, splice.client_acked, splice.backend_next + splice.reverse_seq_delta,
            splice.backend_acked - splice.forward_seq_delta};
  return {splice.backend_next, splice.backend_acked, splice.client_next + splice.forward_seq_delta,
          splice.client_acked - splice.reverse_seq_delta};
}

// False: it was sent blindly, and nothing is remembered of it.
inline bool track_segment(Splice& splice, Direction from, const TcpSegment& segment) {
  const SenderView view = sender_view(splice, from);
  if (!is_near(segment.seq, view.next)) return false;
  if (segment.has(kTcpAck)) {
    if (!is_near(segment.ack, view.peer_next)) return false;
    if (seq_before(view.acked, segment.ack)) view.acked = segment.ack;
  }
  if (seq_before(view.next, segment.end())) view.next = segment.end();
  return true;
}

// For a settled segment of a spliced connection. False: it counts as no sign of life, or is done.
bool pass_spliced(Worker& worker, Burst& burst, unsigned i);

enum class SpliceVerdict : uint8_t {
  done,    // the packet has ended here
  pass,    // on to the other side; it changes nothing
  decide,  // the state table has the word
};
// For a TCP packet of a spliced connection.
SpliceVerdict act_on_spliced(Worker& worker, Burst& burst, unsigned i);

}  // namespace millrace
