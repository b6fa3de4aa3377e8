// tcp_output.cpp: what an end says.
#include <algorithm>
#include <utility>

#include "tests/sim/tcp_end.h"

namespace millrace::sim {

void TcpEnd::say_syn(VirtualMs now_ms) {
  Segment syn;
  syn.seq = script_.isn;
  syn.flags = script_.ecn ? kSyn | kEce | kCwr : kSyn;
  if (script_.mss != 0) syn.options.mss = script_.mss;
  if (script_.window_scale >= 0) syn.options.window_scale = static_cast<uint8_t>(script_.window_scale);
  syn.options.sack_permitted = script_.sack;
  if (script_.timestamps) syn.options.timestamps = Timestamps{clock_.value(now_ms), 0};
  if (script_.fast_open) {
    const Bytes cookie = {1, 2, 3, 4, 5, 6, 7, 8};
    syn.options.fast_open = script_.draws % 2 == 0 ? Bytes{} : cookie;
  }
  syn.options.experimental = script_.experimental;
  syn.window = receiver_.window_field(0);
  put(std::move(syn));
}

void TcpEnd::say_syn_ack(VirtualMs now_ms) {
  Segment answer;
  answer.seq = script_.isn;
  answer.ack = receiver_.ack_number();
  answer.flags = ecn_ ? kSyn | kAck | kEce : kSyn | kAck;
  if (script_.mss != 0) answer.options.mss = script_.mss;
  if (script_.window_scale >= 0 && peer_options_.window_scale)
    answer.options.window_scale = static_cast<uint8_t>(script_.window_scale);
  answer.options.sack_permitted = sack_;
  if (timestamps_) answer.options.timestamps = Timestamps{clock_.value(now_ms), clock_.recent()};
  answer.window = receiver_.window_field(0);
  put(std::move(answer));
}

void TcpEnd::say_piece(const Piece& piece, VirtualMs now_ms) {
  if (piece.is_old_byte_probe) {
    ++witness_.tally().old_byte_probes;
    return say_empty(piece.begin, now_ms);
  }
  Segment segment;
  segment.seq = sequence_of(piece.begin, script_.isn);
  segment.payload.resize(piece.byte_count());
  own_.fill(piece.begin - 1, segment.payload);
  const Place data_end = piece.begin + piece.byte_count();
  if (piece.fin) segment.flags |= kFin;
  if (piece.byte_count() != 0 && data_end == application_.written() + 1) segment.flags |= kPsh;
  for (const uint64_t offset : script_.urgent) {
    const Place place = offset + 1;
    if (place < piece.begin || place >= data_end) continue;
    segment.flags |= kUrg;
    segment.urgent = static_cast<uint16_t>(place - piece.begin + 1);
  }
  if (piece.is_new_byte_probe) ++witness_.tally().new_byte_probes;
  if (piece.is_again) ++witness_.tally().retransmissions;
  emit(std::move(segment), now_ms);
}

void TcpEnd::say_empty(Place place, VirtualMs now_ms) {
  Segment segment;
  segment.seq = sequence_of(place, script_.isn);
  emit(std::move(segment), now_ms);
}

void TcpEnd::say_reset(VirtualMs) {
  Segment reset;
  reset.seq = sequence_of(sender_.empty_place(), script_.isn);
  reset.ack = receiver_.ack_number();
  reset.flags = kRst | kAck;
  put(std::move(reset));
}

// RFC 9293 section 3.10.7.1: the answer of an end that is gone.
void TcpEnd::answer_closed(const Segment& segment) {
  if (segment.has(kRst)) return;
  Segment reset;
  reset.flags = kRst;
  if (segment.has(kAck)) {
    reset.seq = segment.ack;
  } else {
    reset.ack = segment.seq + segment.length();
    reset.flags |= kAck;
  }
  put(std::move(reset));
}

// Everything between the SYNs and a reset.
void TcpEnd::emit(Segment segment, VirtualMs now_ms) {
  segment.flags |= kAck;
  segment.ack = receiver_.ack_number();
  segment.window = receiver_.window_field(shift_);
  if (timestamps_) segment.options.timestamps = Timestamps{clock_.value(now_ms), clock_.recent()};
  if (sack_) add_sack(segment);
  acked_place_ = receiver_.next();
  ack_now_ = false;
  segments_to_ack_ = 0;
  delayed_ack_ms_ = kNever;
  put(std::move(segment));
}

// As many blocks as fit beside timestamps and data.
void TcpEnd::add_sack(Segment& segment) {
  segment.layout = script_.layout;
  std::vector<SackBlock> blocks = receiver_.sack_blocks(timestamps_ ? 3 : 4, script_.reports_duplicates);
  const auto fits = [&](size_t count) {
    segment.options.sack.assign(blocks.begin(), blocks.begin() + static_cast<long>(count));
    const unsigned bytes = option_bytes(segment.options, segment.layout);
    if (bytes > kOptionBytesMax || header_bytes(family_) + segment.payload.size() + bytes > path_mtu_bytes_)
      return false;
    // The MSS counts options, too (RFC 6691).
    return segment.payload.empty() || segment.payload.size() + bytes <= payload_max({.mss = peer_options_.mss});
  };
  size_t count = blocks.size();
  while (count != 0 && !fits(count)) --count;
  if (count == 0) segment.options.sack.clear();
}

// Bytes of data in a segment with the options that every segment has.
unsigned TcpEnd::payload_max(const TcpOptions& theirs) const {
  // RFC 9293 section 3.7.1.
  const unsigned told = theirs.mss ? *theirs.mss : family_ == Family::ipv4 ? 536 : 1220;
  TcpOptions always;
  if (theirs.timestamps && timestamps_) always.timestamps = Timestamps{};
  return std::min(told, path_mtu_bytes_ - header_bytes(family_)) - option_bytes(always, script_.layout);
}

void TcpEnd::put(Segment segment) {
  segment.layout = script_.layout;
  ++witness_.tally().segments;
  if (segment.has(kRst)) ++witness_.tally().resets_sent;
  sent_.push_back(std::move(segment));
}

std::vector<Segment> TcpEnd::take_sent() { return std::exchange(sent_, {}); }

}  // namespace millrace::sim
