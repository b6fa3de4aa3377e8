#include "dataplane/stages/proxy_say.h"

#include <rte_mbuf.h>

#include <algorithm>

#include "dataplane/stages/next_hop.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/splice_timestamps.h"
#include "dataplane/tcp/own_segment.h"
#include "dataplane/tcp/splice_translate.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

struct Ends {
  Endpoint src;
  Endpoint dst;
};

Ends ends_of(const ConnEntry& entry, Direction direction) {
  const bool forward = direction == Direction::forward;
  if (entry.family == Family::ipv4) {
    if (forward)
      return {{IpAddr::from_ipv4(entry.snat4), entry.snat_port},
              {IpAddr::from_ipv4(entry.backend4), entry.backend_port}};
    return {{IpAddr::from_ipv4(entry.vip4), entry.vip_port}, {IpAddr::from_ipv4(entry.client4), entry.client_port}};
  }
  if (forward) return {{IpAddr{entry.snat6}, entry.snat_port}, {IpAddr{entry.backend6}, entry.backend_port}};
  return {{IpAddr{entry.vip6}, entry.vip_port}, {IpAddr{entry.client6}, entry.client_port}};
}

// `direction` is the one in which the segment travels.
void say(Worker& worker, ConnIndex index, Direction direction, OwnSegment& segment,
         std::span<const uint8_t> payload = {}) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(worker.state.mbuf_pool);
  ConnEntry& entry = worker.slab[index];
  const Ends ends = ends_of(entry, direction);
  segment.src = ends.src;
  segment.dst = ends.dst;
  worker.counters.originated.add(1);
  if (mbuf == nullptr || !write_segment(*mbuf, segment, payload)) return drop_packet(worker, mbuf, DropReason::no_mbuf);
  send_along(worker, mbuf, find_hop(worker, entry, direction));
}

// Of every segment but a SYN to the backend.
void add_client_timestamps(const Splice& splice, OwnSegment& segment) {
  segment.options.timestamps = (splice.client_has & kSpliceTimestamps) != 0;
  segment.options.ts_value = splice.client_ts_echo;
  segment.options.ts_echo = splice.client_ts;
}

void add_backend_timestamps(const Splice& splice, OwnSegment& segment) {
  segment.options.timestamps = (splice.backend_has & kSpliceTimestamps) != 0;
  segment.options.ts_value = splice.client_ts + splice.forward_ts_delta;
  segment.options.ts_echo = splice.client_ts_echo - splice.reverse_ts_delta;
}

}  // namespace

void say_ack_to_client(Worker& worker, ConnIndex index, uint16_t window) {
  const Splice& splice = worker.splice(index);
  OwnSegment segment{.seq = splice.client_acked, .ack = splice.client_next, .flags = kTcpAck, .window = window};
  add_client_timestamps(splice, segment);
  say(worker, index, Direction::reverse, segment);
}

void say_probe_to_client(Worker& worker, ConnIndex index) {
  const Splice& splice = worker.splice(index);
  OwnSegment segment{.seq = splice.client_acked - 1, .ack = splice.client_next, .flags = kTcpAck};
  add_client_timestamps(splice, segment);
  say(worker, index, Direction::reverse, segment);
}

void say_reset_to_client(Worker& worker, ConnIndex index) {
  const Splice& splice = worker.splice(index);
  OwnSegment segment{.seq = splice.client_acked, .ack = splice.client_next, .flags = kTcpRst | kTcpAck};
  say(worker, index, Direction::reverse, segment);
}

void say_syn(Worker& worker, ConnIndex index) {
  const Splice& splice = worker.splice(index);
  const bool scales = splice.client_window_scale != kNoWindowScale;
  OwnSegment segment{.seq = splice.backend_acked, .flags = kTcpSyn};
  // The window of a SYN is never scaled.
  segment.window = scales ? shift_window(splice.client_window, static_cast<int8_t>(splice.client_window_scale))
                          : splice.client_window;
  const bool adds_timestamps =
      (splice.client_has & kSpliceTimestamps) != 0 && !worker.has_timestamps[raw(worker.slab[index].backend)];
  segment.options.mss = static_cast<uint16_t>(splice.mss - (adds_timestamps ? kTimestampOptionBytes : 0));
  segment.options.window_scale = splice.client_window_scale;
  segment.options.sack_permitted = (splice.client_has & kSpliceSack) != 0;
  segment.options.timestamps = (splice.client_has & kSpliceTimestamps) != 0;
  segment.options.ts_value = splice.client_ts + splice.forward_ts_delta;
  say(worker, index, Direction::forward, segment);
}

void say_to_backend(Worker& worker, ConnIndex index, uint32_t seq, std::span<const uint8_t> payload) {
  const Splice& splice = worker.splice(index);
  OwnSegment segment{.seq = seq,
                     .ack = splice.backend_next,
                     .flags = static_cast<uint8_t>(kTcpAck | (payload.empty() ? 0 : kTcpPsh)),
                     .window = shift_window(splice.client_window, splice.forward_window_shift)};
  add_backend_timestamps(splice, segment);
  say(worker, index, Direction::forward, segment, payload);
}

void say_reset_to_backend(Worker& worker, ConnIndex index, uint32_t seq) {
  const Splice& splice = worker.splice(index);
  const bool answered = worker.slab[index].state != ConnState::connect;
  OwnSegment segment{.seq = seq,
                     .ack = answered ? splice.backend_next : 0,
                     .flags = static_cast<uint8_t>(answered ? kTcpRst | kTcpAck : kTcpRst)};
  say(worker, index, Direction::forward, segment);
}

void say_reset_at(Worker& worker, ConnIndex index, uint32_t seq) {
  OwnSegment segment{.seq = seq, .flags = kTcpRst};
  say(worker, index, Direction::forward, segment);
}

}  // namespace millrace
