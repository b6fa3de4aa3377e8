#include "dataplane/stages/proxy_connect.h"

#include <algorithm>
#include <array>

#include "dataplane/stages/backend_choice.h"
#include "dataplane/stages/connection.h"
#include "dataplane/stages/handshake_watch.h"
#include "dataplane/stages/notes.h"
#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_hello.h"
#include "dataplane/stages/proxy_say.h"
#include "dataplane/stages/splice_timestamps.h"
#include "dataplane/tcp/proxy_header.h"
#include "dataplane/tcp/splice_translate.h"

namespace millrace {
namespace {

constexpr uint8_t kBackoffMax = 6;  // 16 s

using HeaderBytes = std::array<uint8_t, kProxyHeaderBytesMax>;

// The same bytes whenever it is asked: nothing of them is kept.
size_t header_of(const Worker& worker, ConnIndex index, HeaderBytes& bytes) {
  const ConnEntry& entry = worker.slab[index];
  std::array<char, kServerNameBytesMax> storage;
  const Tuple client = client_tuple(entry);
  const uint64_t generation = entry.generation.load(std::memory_order_relaxed);
  return write_proxy_header(worker.splices[raw(index)].proxy_protocol,
                            {.source = {client.src, client.src_port},
                             .destination = {client.dst, client.dst_port},
                             .authority = server_name(worker, index, storage),
                             .unique_id = generation << 32 | raw(index)},
                            bytes);
}

void set_due(Worker& worker, ConnIndex index) {
  Splice& splice = worker.splice(index);
  const Ms next = worker.clock.now32_ms() + (kFirstRetransmitMs << std::min(splice.retransmits, kBackoffMax));
  splice.due_ms = ms_after(next, splice.deadline_ms) ? splice.deadline_ms : next;
  arm_connection(worker, index);
}

// The numbers of this attempt. What we say first lies before the client's bytes, so that these keep one delta.
void begin_numbers(Worker& worker, ConnIndex index) {
  const ConnEntry& entry = worker.slab[index];
  Splice& splice = worker.splice(index);
  const Tuple reply = entry.family == Family::ipv4 ? tuple_of(reverse_key4(entry)) : tuple_of(reverse_key6(entry));
  const uint32_t isn =
      worker.cookies.backend_isn({reply.dst, reply.dst_port}, {reply.src, reply.src_port}, worker.clock.now_ms());
  splice.backend_acked = isn;
  splice.backend_next = 0;
  HeaderBytes header;
  const uint32_t first_bytes = static_cast<uint32_t>(header_of(worker, index, header)) + held_bytes(worker, index);
  splice.forward_seq_delta = isn + 1 + first_bytes - splice.client_next;
  // Our own clock, so that a backend which remembers the last connection from this port takes this one (RFC 6191).
  splice.forward_ts_delta = worker.clock.now32_ms() - splice.client_ts;
  splice.retransmits = 0;
  splice.first_said = 0;
}

// Where the client's bytes begin in the backend's numbers: everything before is ours to say.
uint32_t first_end(const Splice& splice) { return splice.client_next + splice.forward_seq_delta; }

// What we say first, as one row of bytes: the PROXY header, then what is kept of the client.
class FirstWords {
 public:
  FirstWords(const Worker& worker, ConnIndex index) : worker_(worker), index_(index) {
    header_count_ = static_cast<uint32_t>(header_of(worker, index, header_));
  }
  uint32_t count() const { return header_count_ + held_bytes(worker_, index_); }
  // `out.size()` bytes from `offset` on.
  void copy(uint32_t offset, std::span<uint8_t> out) const {
    if (offset < header_count_) {
      const auto part = std::min<size_t>(out.size(), header_count_ - offset);
      std::copy_n(header_.begin() + offset, part, out.begin());
      out = out.subspan(part);
      offset = header_count_;
    }
    const auto held =
        worker_.hellos.read(worker_.slab[index_].hello, offset - header_count_, static_cast<uint32_t>(out.size()), out);
    if (!held.empty() && held.data() != out.data()) std::copy(held.begin(), held.end(), out.begin());
  }

 private:
  const Worker& worker_;
  ConnIndex index_;
  HeaderBytes header_{};
  uint32_t header_count_;
};

constexpr uint32_t kPartBytesMax = 1400;  // fits into one packet buffer

// Payload of a segment to the backend. An MSS counts as if there were no options (RFC 9293 section 3.7.1).
uint32_t part_bytes(const Splice& splice) {
  const uint32_t option_bytes = (splice.backend_has & kSpliceTimestamps) != 0 ? kTimestampOptionBytes : 0u;
  return std::min(kPartBytesMax, splice.mss - std::min<uint32_t>(option_bytes, splice.mss - 1u));
}

enum class Saying : uint8_t { on, again };

// On: what was not said yet, as far as the backend's window goes. Again: all that is not acknowledged.
void say_first(Worker& worker, ConnIndex index, Saying saying) {
  const FirstWords words(worker, index);
  Splice& splice = worker.splice(index);
  const uint32_t count = words.count();
  const uint32_t acked = count - std::min(first_end(splice) - splice.backend_acked, count);
  // After its SYN-ACK a backend's window counts in larger units than bytes; less than it allows is never wrong. A closed
  // one is probed with a byte.
  const uint32_t end = std::min(count, acked + std::max<uint32_t>(splice.backend_window, 1));
  uint32_t at = saying == Saying::again ? acked : std::max<uint32_t>(acked, splice.first_said);
  splice.first_said = static_cast<uint16_t>(std::max<uint32_t>(splice.first_said, end));
  if (count == 0) return say_to_backend(worker, index, splice.backend_acked, {});
  while (at < end) {
    std::array<uint8_t, kPartBytesMax> bytes;
    const std::span<uint8_t> part(bytes.data(), std::min(end - at, part_bytes(splice)));
    words.copy(at, part);
    say_to_backend(worker, index, splice.backend_acked + (at - acked), part);
    at += static_cast<uint32_t>(part.size());
  }
}

// Tells the client, once the reason is counted.
void reset_client(Worker& worker, ConnIndex index, BackendSlot last) {
  note_backend(worker, NoteKind::client_refused, worker.slab[index].service, last);
  say_reset_to_client(worker, index);
  outlive_cookie(worker, index);
  end_handshake(worker, index);
}

// When the first SYN went to the present backend.
uint32_t attempt_began_ms(Worker& worker, ConnIndex index) {
  const ServiceTables* service = service_of(worker, worker.slab[index]);
  return service != nullptr ? worker.splice(index).deadline_ms - service->connect_timeout_ms : worker.clock.now32_ms();
}

// A backend that was tried in vain.
void fail_backend(Worker& worker, ConnIndex index) {
  ConnEntry& entry = worker.slab[index];
  const BackendSlot failed = entry.backend;
  worker.backend_counters[raw(failed)].connect_failures.add(1);
  note_backend(worker, NoteKind::connect_failed, entry.service, failed);
  end_handshake_watch(worker, entry, attempt_began_ms(worker, index), false);
  detach_backend(worker, index);
  const ServiceTables* service = service_of(worker, entry);
  if (service == nullptr || worker.splice(index).tries >= kBackendTriesMax) return refuse_client(worker, index, failed);
  worker.counters.backend_retries.add(1);
  connect_backend(worker, index, *service, failed);
}

void give_up_backend(Worker& worker, ConnIndex index) {
  reset_backend(worker, index);
  fail_backend(worker, index);
}

// Window fields on their way between two sides of which one may not scale (RFC 7323 section 2.2).
void set_window_shifts(Splice& splice, uint8_t backend_scale) {
  splice.forward_window_shift = splice.reverse_window_shift = 0;
  if (splice.client_window_scale == kNoWindowScale) return;
  if (backend_scale == kNoWindowScale) {
    splice.forward_window_shift = static_cast<int8_t>(splice.client_window_scale);
    splice.reverse_window_shift = -int8_t{kOwnWindowScale};
  } else {
    splice.reverse_window_shift = static_cast<int8_t>(backend_scale - kOwnWindowScale);
  }
}

void take_syn_ack_numbers(Splice& splice, const TcpSegment& segment, Family family) {
  const TcpOptions options = read_tcp_options(*segment.header);
  splice.backend_has =
      static_cast<uint8_t>((options.timestamps ? kSpliceTimestamps : 0) | (options.sack_permitted ? kSpliceSack : 0)) &
      splice.client_has;
  splice.backend_next = segment.seq + 1;
  splice.backend_acked = segment.ack;
  splice.backend_window = segment.window;
  splice.reverse_seq_delta = splice.client_acked - splice.backend_next;
  splice.reverse_ts_delta = splice.client_ts_echo - options.ts_value;
  splice.mss = std::min(splice.mss, mss_of(options, family));
  set_window_shifts(splice, options.window_scale);
}

void establish(Worker& worker, ConnIndex index) {
  release_hello(worker, index);
  worker.slab[index].state = ConnState::established;
  arm_connection(worker, index);
}

// The window that opens the client's. The one of a SYN-ACK is never scaled.
uint16_t opening_window(const Splice& splice) {
  if (splice.client_window_scale == kNoWindowScale) return splice.backend_window;
  const uint16_t scaled = static_cast<uint16_t>(splice.backend_window >> kOwnWindowScale);
  return scaled == 0 && splice.backend_window != 0 ? uint16_t{1} : scaled;
}

void accept_syn_ack(Worker& worker, ConnIndex index, const TcpSegment& segment) {
  Splice& splice = worker.splice(index);
  take_syn_ack_numbers(splice, segment, worker.slab[index].family);
  end_handshake_watch(worker, worker.slab[index], attempt_began_ms(worker, index), true);
  if ((splice.client_has & kSpliceTimestamps) != 0)
    worker.has_timestamps[raw(worker.slab[index].backend)] = (splice.backend_has & kSpliceTimestamps) != 0;
  if (first_end(splice) == splice.backend_acked) {
    say_to_backend(worker, index, splice.backend_acked, {});
    say_ack_to_client(worker, index, opening_window(splice));
    return establish(worker, index);
  }
  worker.slab[index].state = ConnState::header;
  splice.retransmits = 0;
  say_first(worker, index, Saying::on);
  set_due(worker, index);
}

void take_answer_to_syn(Worker& worker, ConnIndex index, const TcpSegment& segment) {
  const bool acknowledges_syn = segment.has(kTcpAck) && segment.ack == worker.splice(index).backend_acked + 1;
  if (segment.has(kTcpRst)) {
    if (acknowledges_syn) fail_backend(worker, index);
    return;
  }
  if (!segment.has(kTcpAck)) return;
  // Of an older connection on these ports: its end must go before ours can begin (RFC 9293 section 3.10.7.3).
  if (!acknowledges_syn) return say_reset_at(worker, index, segment.ack);
  if (segment.has(kTcpSyn)) accept_syn_ack(worker, index, segment);
}

// What we said first is on its way. True when all of it has arrived.
bool take_answer_to_first(Worker& worker, ConnIndex index, const TcpSegment& segment) {
  Splice& splice = worker.splice(index);
  if (segment.has(kTcpRst)) {
    if (segment.seq == splice.backend_next) fail_backend(worker, index);
    return false;
  }
  if (!segment.has(kTcpAck)) return false;
  // It has missed our ACK.
  if (segment.has(kTcpSyn)) {
    say_first(worker, index, Saying::again);
    return false;
  }
  const uint32_t end = first_end(splice);
  if (seq_before(end, segment.ack) || seq_before(segment.ack, splice.backend_acked)) return false;
  const bool progress = segment.ack != splice.backend_acked;
  splice.backend_acked = segment.ack;
  splice.backend_window = segment.window;
  if (segment.ack == end) {
    establish(worker, index);
    return true;
  }
  if (!progress) return false;
  splice.retransmits = 0;
  say_first(worker, index, Saying::on);
  set_due(worker, index);
  return false;
}

}  // namespace

// Before it has answered, one past our SYN is what a backend would take (RFC 9293 section 3.10.7.4); after that the end of
// all that was said, most of which has arrived.
void reset_backend(Worker& worker, ConnIndex index) {
  if (worker.slab[index].backend == kNoBackend) return;
  const Splice& splice = worker.splice(index);
  if (worker.slab[index].state == ConnState::connect)
    return say_reset_to_backend(worker, index, splice.backend_acked + 1);
  const uint32_t count = FirstWords(worker, index).count();
  say_reset_to_backend(worker, index, first_end(splice) - count + std::min<uint32_t>(splice.first_said, count));
}

void end_handshake(Worker& worker, ConnIndex index) {
  detach_backend(worker, index);
  release_hello(worker, index);
  set_state(worker, worker.slab[index], ConnState::closed);
  arm_connection(worker, index);
}

void outlive_cookie(Worker& worker, ConnIndex index) {
  worker.splice(index).deadline_ms = worker.slab[index].opened_ms + 2 * kCookieEpochMs;
}

void refuse_client(Worker& worker, ConnIndex index, BackendSlot last) {
  worker.service_counters[raw(worker.slab[index].service)].refused.add(1);
  reset_client(worker, index, last);
}

void connect_backend(Worker& worker, ConnIndex index, const ServiceTables& service, BackendSlot avoid) {
  ConnEntry& entry = worker.slab[index];
  Splice& splice = worker.splice(index);
  const PickTable* table = table_of(worker, index, service);
  Pick pick;
  if (table != nullptr) pick = pick_for_client(worker, service, *table, client_tuple(entry), avoid);
  const BackendTarget* backend = pick.backend;
  if (backend == nullptr) {
    if (table != nullptr && splice.tries == 0)
      refuse_unpicked(worker, service, pick.result);
    else
      worker.service_counters[raw(service.slot)].refused.add(1);
    return reset_client(worker, index, avoid);
  }
  if (attach_backend(worker, index, service, *backend)) return reset_client(worker, index, backend->slot);
  ++splice.tries;
  splice.proxy_protocol = backend->proxy_protocol;
  begin_numbers(worker, index);
  entry.state = ConnState::connect;
  begin_handshake_watch(worker, entry);
  splice.deadline_ms = worker.clock.now32_ms() + service.connect_timeout_ms;
  say_syn(worker, index);
  set_due(worker, index);
}

bool take_backend_segment(Worker& worker, ConnIndex index, const TcpSegment& segment) {
  if (worker.slab[index].state == ConnState::header) return take_answer_to_first(worker, index, segment);
  take_answer_to_syn(worker, index, segment);
  return false;
}

void proceed_connect(Worker& worker, ConnIndex index) {
  Splice& splice = worker.splice(index);
  if (!ms_after(splice.deadline_ms, worker.clock.now32_ms())) return give_up_backend(worker, index);
  ++splice.retransmits;
  worker.counters.proxy_retransmits.add(1);
  if (worker.slab[index].state == ConnState::connect)
    say_syn(worker, index);
  else
    say_first(worker, index, Saying::again);
  set_due(worker, index);
}

}  // namespace millrace
