#include "dataplane/stages/proxy_handshake.h"

#include "dataplane/stages/outcome.h"
#include "dataplane/stages/proxy_connect.h"
#include "dataplane/stages/proxy_hello.h"
#include "dataplane/stages/proxy_say.h"

namespace millrace {
namespace {

// Segments that do not fit are answered so that a client that is alive finds its place again, and dropped (RFC 5961).
void challenge_client(Worker& worker, ConnIndex index) {
  if (!worker.challenges.take(worker.clock.now_ms())) return;
  worker.counters.challenge_acks.add(1);
  say_ack_to_client(worker, index, client_window(worker, index));
}

void take_client_numbers(Splice& splice, const TcpSegment& segment) {
  if (seq_before(splice.client_next, segment.seq)) return;
  splice.client_window = segment.window;
  if ((splice.client_has & kSpliceTimestamps) == 0) return;
  const TcpOptions options = read_tcp_options(*segment.header);
  // PAWS (RFC 7323 section 5): what is older than the last is no news.
  if (options.timestamps && !seq_before(options.ts_value, splice.client_ts)) splice.client_ts = options.ts_value;
}

// A client that gives up. Only the exact number counts (RFC 5961 section 3).
void take_client_reset(Worker& worker, ConnIndex index, const TcpSegment& segment) {
  if (segment.seq != worker.splice(index).client_next) return challenge_client(worker, index);
  reset_backend(worker, index);
  end_handshake(worker, index);
}

// A client's window is closed but for its hello, so all that can come is an ACK, a probe of the window, or what it sent
// before our SYN-ACK. The answer to all but a plain ACK says again what we have and that there is no room yet.
// False: there is no buffer for it.
bool take_client_segment(Worker& worker, ConnIndex index, const TcpSegment& segment) {
  Splice& splice = worker.splice(index);
  if (segment.has(kTcpRst)) {
    take_client_reset(worker, index, segment);
  } else if (segment.has(kTcpSyn) || !segment.has(kTcpAck) || segment.ack != splice.client_acked) {
    challenge_client(worker, index);
  } else {
    take_client_numbers(splice, segment);
    if (worker.slab[index].state == ConnState::hello) return take_hello_segment(worker, index, segment);
    const bool plain = segment.seq == splice.client_next && segment.length() == 0;
    if (!plain) say_ack_to_client(worker, index, 0);
  }
  return true;
}

// The client has been told that nobody takes it; it may have missed that.
void answer_refused_client(Worker& worker, ConnIndex index, const TcpSegment& segment) {
  if (!segment.has(kTcpRst)) say_reset_to_client(worker, index);
}

}  // namespace

void begin_handshake(Worker& worker, ConnIndex index, const ServiceTables& service, const TcpSegment& segment) {
  if (service.hosts) return begin_hello(worker, index, service, segment);
  connect_backend(worker, index, service, kNoBackend);
}

bool act_on_handshake(Worker& worker, Burst& burst, unsigned i) {
  const ConnRef ref = burst.conns[i];
  const TcpSegment segment = tcp_segment(burst, i);
  ConnEntry& entry = worker.slab[ref.index];
  const bool forward = ref.direction == Direction::forward;
  (forward ? entry.client_seen_ms : entry.backend_seen_ms) = worker.clock.now32_ms();
  if (!forward) {
    if (take_backend_segment(worker, ref.index, segment)) return true;
  } else if (entry.state == ConnState::closed) {
    answer_refused_client(worker, ref.index, segment);
  } else if (!take_client_segment(worker, ref.index, segment)) {
    drop_packet(worker, burst, i, DropReason::hello_full);
    return false;
  }
  absorb_packet(worker, burst, i);
  return false;
}

void proceed_handshake(Worker& worker, ConnIndex index) {
  // A hello has had its time.
  if (worker.slab[index].state == ConnState::hello) return refuse_client(worker, index, kNoBackend);
  proceed_connect(worker, index);
}

}  // namespace millrace
