// tcp_arrival.cpp: what an end does with a segment, in the order of RFC 9293 section 3.10.7.
#include <fmt/format.h>

#include "tests/sim/tcp_end.h"

namespace millrace::sim {
namespace {

// RFC 5961 section 7: two ends that disagree must not answer each other for ever.
constexpr uint32_t kAnswerIntervalMs = 50;
constexpr uint32_t kMtuBytesMin = 1280;  // IPv6's, and nothing here takes more than a few options off
// Longest that a segment may be on its way from end to end, with the middle's turn.
constexpr uint32_t kPathMsMax = 2 * kHopMsMax + 200;

}  // namespace

void TcpEnd::arrive(const Segment& segment, VirtualMs now_ms) {
  if (ending_ == Ending::vanished) return;
  if (is_over()) {
    ++witness_.tally().strays;
    return answer_closed(segment);
  }
  heard_ms_ = now_ms;
  keepalives_ = 0;
  switch (state_) {
    case State::idle:
      return arrive_idle(segment, now_ms);
    case State::syn_sent:
      return arrive_syn_sent(segment, now_ms);
    case State::syn_received:
    case State::connected:
    case State::time_wait:
      arrive_connected(segment, now_ms);
      if (!is_over() && is_established()) pump(now_ms);
  }
}

// RFC 1191, RFC 8201; only what quotes something that is under way counts (RFC 5927).
void TcpEnd::take_too_big(const TooBig& told, VirtualMs now_ms) {
  if (is_over() || !is_established()) return;
  ++witness_.tally().too_big;
  const int64_t place = place_of(told.seq, script_.isn, sender_.next());
  if (is_transparent_) witness_.report("told a smaller MTU by a middle that lets nothing grow");
  if (place < 0 || place > static_cast<int64_t>(sender_.next()))
    return witness_.report(fmt::format("told a smaller MTU for sequence number {}, which was never sent", told.seq));
  if (told.mtu_bytes < kMtuBytesMin || told.mtu_bytes >= kMtuBytes)
    return witness_.report(fmt::format("told an MTU of {} bytes", told.mtu_bytes));
  if (place < static_cast<int64_t>(sender_.acknowledged()) || told.mtu_bytes >= path_mtu_bytes_) return;
  path_mtu_bytes_ = told.mtu_bytes;
  sender_.shrink(payload_max(peer_options_));
  pump(now_ms);
}

void TcpEnd::arrive_idle(const Segment& segment, VirtualMs now_ms) {
  if (!segment.has(kSyn) || segment.has(kAck)) return answer_closed(segment);
  opened_ms_ = heard_ms_ = now_ms;
  if (reception_ == Reception::ignores) return end(Ending::vanished, now_ms);
  if (reception_ == Reception::refuses) {
    answer_closed(segment);
    return end(Ending::reset_by_itself, now_ms);
  }
  if (!segment.payload.empty()) witness_.report("SYN with data");
  state_ = State::syn_received;
  peer_isn_ = segment.seq;
  receiver_.begin(segment.seq);
  agree(segment.options);
  ecn_ = script_.ecn && segment.has(kEce) && segment.has(kCwr);
  sender_.begin_window(segment.window, 0, true);
  handshake_ms_ = now_ms + answer_delay_ms_;
  wake_handshake(now_ms);
}

void TcpEnd::arrive_syn_sent(const Segment& segment, VirtualMs now_ms) {
  const bool acks_syn = segment.has(kAck) && segment.ack == script_.isn + 1;
  if (segment.has(kRst)) {
    if (!acks_syn) return witness_.report("reset that does not acknowledge the SYN");
    ++witness_.tally().resets_taken;
    return end(Ending::refused, now_ms);
  }
  if (segment.has(kAck) && !acks_syn) {
    // RFC 9293 section 3.5.1: a half-open connection is found out by a challenge, and ended by this reset.
    if (!had_predecessor_ || segment.has(kSyn))
      witness_.report(fmt::format("SYN answered with ACK {}, expected {}", segment.ack, script_.isn + 1));
    return answer_closed(segment);
  }
  if (!segment.has(kSyn) || !acks_syn)
    return witness_.report("neither SYN-ACK nor reset after a SYN: " + segment.text());
  check_answer(segment);
  take_syn_ack(segment, now_ms);
}

// A SYN-ACK may only agree to what was offered.
void TcpEnd::check_answer(const Segment& segment) const {
  const TcpOptions& options = segment.options;
  if (!segment.payload.empty()) witness_.report("SYN-ACK with data");
  if (options.window_scale && script_.window_scale < 0) witness_.report("SYN-ACK scales windows, the SYN did not");
  if (options.window_scale && *options.window_scale > 14) witness_.report("window scale beyond 14");
  if (options.sack_permitted && !script_.sack) witness_.report("SYN-ACK permits SACK, the SYN did not");
  if (options.timestamps && !script_.timestamps) witness_.report("SYN-ACK has timestamps, the SYN had none");
  if (options.timestamps && !clock_.was_sent(options.timestamps->echo))
    witness_.report(fmt::format("SYN-ACK echoes timestamp {}, which was never sent", options.timestamps->echo));
  if (segment.has(kEce) && !script_.ecn) witness_.report("SYN-ACK agrees to ECN, the SYN did not ask");
  if (options.mss && *options.mss < 64) witness_.report(fmt::format("MSS {}", *options.mss));
}

void TcpEnd::take_syn_ack(const Segment& segment, VirtualMs now_ms) {
  peer_isn_ = segment.seq;
  receiver_.begin(segment.seq);
  agree(segment.options);
  establish(now_ms);
  sender_.begin_window(segment.window, 0, true);
  ack_now_ = true;
  if (script_.data_with_handshake) {
    pump(now_ms);
    if (sender_.has_outstanding()) ++witness_.tally().handshake_data;
    return;
  }
  say_empty(sender_.empty_place(), now_ms);
  pump(now_ms);
}

void TcpEnd::arrive_connected(const Segment& segment, VirtualMs now_ms) {
  const int64_t begin = receiver_.place(segment.seq);
  if (state_ == State::syn_received && segment.has(kSyn) && !segment.has(kAck) && begin == 0) {
    if (handshake_sends_ != 0) say_syn_ack(now_ms);
    return;
  }
  // A second copy of the challenge that ended the client's older connection.
  if (had_predecessor_ && segment.length() == 0 && !receiver_.is_acceptable(begin, 0))
    return answer_unacceptable(begin, segment, now_ms);
  if (!segment.has(kRst) && !segment.has(kSyn)) check_sound(begin, segment);
  if (!check_timestamps(begin, segment, now_ms)) return;
  if (!receiver_.is_acceptable(begin, segment.length())) return answer_unacceptable(begin, segment, now_ms);
  if (take_reset_or_syn(begin, segment, now_ms) || !segment.has(kAck)) return;
  if (take_ack(begin, segment, now_ms)) take_data(begin, segment, now_ms);
}

void TcpEnd::check_sound(int64_t begin, const Segment& segment) const {
  receiver_.check_place(begin, segment);
  if (!segment.has(kAck)) witness_.report("no ACK flag: " + segment.text());
  if (segment.options.mss || segment.options.window_scale || segment.options.sack_permitted)
    witness_.report("options of a SYN: " + segment.text());
  if (segment.payload.empty() || (!mss_is_known_ || witness_.judge->lenient.large_segments)) return;
  const unsigned mss = script_.mss != 0 ? script_.mss : family_ == Family::ipv4 ? 536 : 1220;
  const size_t bytes = segment.payload.size() + option_bytes(segment.options, OptionLayout::packed);
  if (bytes > mss) witness_.report(fmt::format("{} bytes of options and data, but the MSS is {}", bytes, mss));
}

// False: the segment is not acceptable for its timestamps, and was answered.
bool TcpEnd::check_timestamps(int64_t begin, const Segment& segment, VirtualMs now_ms) {
  if (segment.has(kRst)) return true;
  const std::optional<Timestamps>& stamps = segment.options.timestamps;
  if (!timestamps_) {
    if (stamps && !segment.has(kSyn) && !witness_.judge->lenient.unagreed_options)
      witness_.report("timestamps that were not agreed on");
    return true;
  }
  if (!stamps) {
    // A SYN-ACK that comes again is acknowledged again, whatever it says.
    if (!witness_.judge->lenient.missing_timestamps && !segment.has(kSyn))
      witness_.report("no timestamps: " + segment.text());
    return true;
  }
  if (segment.has(kSyn)) return true;
  if (segment.has(kAck) && !clock_.was_sent(stamps->echo)) {
    witness_.report(fmt::format("timestamp echo {}, which was never sent", stamps->echo));
    return state_ != State::syn_received;  // there Linux drops it
  }
  if (is_transparent_ && peer_ != nullptr && !peer_->clock_.was_sent(stamps->value))
    witness_.report(fmt::format("timestamp {}, which the peer never sent", stamps->value));
  if (clock_.is_old(stamps->value)) {
    check_refused_by_paws(begin, segment, now_ms);
    answer_unacceptable(begin, segment, now_ms);
    return false;
  }
  // RFC 7323 section 4.3.
  if (receiver_.is_acceptable(begin, segment.length()) && begin <= static_cast<int64_t>(acked_place_))
    clock_.take(stamps->value, now_ms);
  return true;
}

// Reordering alone makes TCP refuse a segment that was overtaken by a younger one. But what was sent after the younger
// one had arrived must not look older.
void TcpEnd::check_refused_by_paws(int64_t begin, const Segment& segment, VirtualMs now_ms) const {
  ++witness_.tally().paws_refusals;
  const VirtualMs recent_ms = clock_.recent_since_ms();
  bool is_wrong = now_ms - recent_ms > kPathMsMax;
  const auto end = static_cast<Place>(begin + static_cast<int64_t>(segment.length()));
  if (peer_ != nullptr && segment.length() != 0 && begin >= 1 && !receiver_.has(static_cast<Place>(begin), end)) {
    const auto preamble = static_cast<int64_t>(receiver_.expected().preamble_bytes());
    const VirtualMs sent_ms = peer_->sender_.first_sent_ms(begin - preamble);
    is_wrong |= begin > preamble && sent_ms != kNever && sent_ms > recent_ms;
  }
  if (is_wrong)
    witness_.report(fmt::format("timestamp {} goes back: {} came {} ms ago", segment.options.timestamps->value,
                                clock_.recent(), now_ms - recent_ms));
}

void TcpEnd::answer_unacceptable(int64_t begin, const Segment& segment, VirtualMs now_ms) {
  if (segment.has(kRst)) return;
  receiver_.note_duplicate(begin, segment);
  if (segment.has(kSyn) && segment.has(kAck)) ++witness_.tally().syn_acks_again;
  if (state_ == State::time_wait && segment.has(kFin)) time_wait_ms_ = now_ms + kTimeWaitMs;
  if (segment.length() == 0 && now_ms - answered_ms_ < kAnswerIntervalMs) return;
  if (segment.length() == 0) answered_ms_ = now_ms;
  if (is_established()) ack_now_ = true;
}

// True: the segment is done.
bool TcpEnd::take_reset_or_syn(int64_t begin, const Segment& segment, VirtualMs now_ms) {
  if (segment.has(kRst)) {
    if (state_ == State::time_wait) return true;  // RFC 1337
    if (begin == static_cast<int64_t>(receiver_.next()) || state_ == State::syn_received) {
      ++witness_.tally().resets_taken;
      end(Ending::reset, now_ms);
    } else {
      // RFC 5961 section 3.2.
      ++witness_.tally().challenge_acks;
      ack_now_ = true;
    }
    return true;
  }
  if (!segment.has(kSyn)) return false;
  ++witness_.tally().challenge_acks;  // RFC 5961 section 4.2
  ack_now_ = true;
  return true;
}

bool TcpEnd::take_ack(int64_t begin, const Segment& segment, VirtualMs now_ms) {
  if (state_ == State::syn_received) {
    if (segment.ack != script_.isn + 1) {
      witness_.report(fmt::format("SYN-ACK answered with ACK {}, expected {}", segment.ack, script_.isn + 1));
      answer_closed(segment);
      return false;
    }
    establish(now_ms);
    sender_.begin_window(segment.window, begin, false);
  }
  if (sender_.take_ack(segment, begin, peer_ != nullptr ? &peer_->receiver_ : nullptr, now_ms)) return true;
  ack_now_ = true;
  return false;
}

void TcpEnd::take_data(int64_t begin, const Segment& segment, VirtualMs now_ms) {
  if (segment.length() == 0) return;
  if (state_ == State::time_wait) ack_now_ = true;
  if (receiver_.take(begin, segment) || script_.delayed_ack_ms == 0 || ++segments_to_ack_ >= 2)
    ack_now_ = true;
  else if (delayed_ack_ms_ == kNever)
    delayed_ack_ms_ = now_ms + script_.delayed_ack_ms;
}

}  // namespace millrace::sim
