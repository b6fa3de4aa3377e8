// tcp_end.cpp: life and timers of an end.
#include "tests/sim/tcp_end.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace millrace::sim {
namespace {

// As much shorter than a real stack's as everything else here is.
constexpr uint32_t kHandshakeMsMax = 2000;
constexpr uint32_t kKeepaliveIntervalMs = 2000;

}  // namespace

TcpEnd::TcpEnd(EndSetup setup)
    : script_(setup.script),
      family_(setup.family),
      witness_(std::move(setup.witness)),
      reception_(setup.reception),
      answer_delay_ms_(setup.answer_delay_ms),
      is_transparent_(setup.is_transparent),
      mss_is_known_(setup.mss_is_known),
      had_predecessor_(setup.had_predecessor),
      own_(std::move(setup.own)),
      application_(script_.talk),
      sender_(script_, witness_),
      receiver_(script_, std::move(setup.expected), std::move(setup.peer_urgent), witness_),
      clock_(script_) {}

void TcpEnd::open(VirtualMs now_ms) {
  opened_ms_ = heard_ms_ = handshake_ms_ = now_ms;
  state_ = State::syn_sent;
  wake_handshake(now_ms);
}

void TcpEnd::wake(VirtualMs now_ms) {
  if (is_over() || state_ == State::idle) return;
  if (now_ms - opened_ms_ >= script_.vanish_after_ms) return end(Ending::vanished, now_ms);
  if (now_ms - opened_ms_ >= script_.reset_after_ms) return abort(Ending::reset_by_itself, now_ms);
  if (now_ms - heard_ms_ >= script_.idle_limit_ms) return abort(Ending::gave_up, now_ms);
  wake_handshake(now_ms);
  if (!is_established() || is_over()) return;
  if (now_ms >= time_wait_ms_) return end(Ending::closed, now_ms);
  sender_.wake(now_ms);
  if (sender_.timeouts_in_a_row() > script_.retries) return end(Ending::timed_out, now_ms);
  wake_keepalive(now_ms);
  if (now_ms >= delayed_ack_ms_) ack_now_ = true;
  if (!is_over()) pump(now_ms);
}

void TcpEnd::wake_handshake(VirtualMs now_ms) {
  if (now_ms < handshake_ms_) return;
  if (handshake_sends_ > script_.retries) return end(Ending::timed_out, now_ms);
  if (handshake_sends_ != 0) ++witness_.tally().retransmissions;
  state_ == State::syn_sent ? say_syn(now_ms) : say_syn_ack(now_ms);
  handshake_ms_ = now_ms + std::min(script_.rto_start_ms << std::min(handshake_sends_++, 8u), kHandshakeMsMax);
}

VirtualMs TcpEnd::keepalive_ms() const {
  if (script_.keepalive_ms == 0 || state_ != State::connected || sender_.has_outstanding()) return kNever;
  return keepalives_ == 0 ? heard_ms_ + script_.keepalive_ms : keepalive_said_ms_ + kKeepaliveIntervalMs;
}

void TcpEnd::wake_keepalive(VirtualMs now_ms) {
  if (now_ms < keepalive_ms()) return;
  if (keepalives_ > script_.retries) return end(Ending::timed_out, now_ms);
  ++keepalives_;
  keepalive_said_ms_ = now_ms;
  ++witness_.tally().keepalives;
  say_empty(sender_.acknowledged() - 1, now_ms);
}

VirtualMs TcpEnd::next_wake_ms() const {
  if (is_over() || state_ == State::idle) return kNever;
  VirtualMs next = std::min(handshake_ms_, time_wait_ms_);
  for (const VirtualMs after : {script_.vanish_after_ms, script_.reset_after_ms})
    if (after != kNever) next = std::min(next, opened_ms_ + after);
  next = std::min(next, heard_ms_ + script_.idle_limit_ms);
  if (!is_established()) return next;
  return std::min({next, sender_.next_ms(), delayed_ack_ms_, keepalive_ms(), application_.next_ms()});
}

// What both sides said they can do; called with the peer's SYN or SYN-ACK.
void TcpEnd::agree(const TcpOptions& theirs) {
  peer_options_ = theirs;
  timestamps_ = script_.timestamps && theirs.timestamps;
  sack_ = script_.sack && theirs.sack_permitted;
  if (timestamps_) clock_.take(theirs.timestamps->value, witness_.judge->now_ms);
}

void TcpEnd::establish(VirtualMs now_ms) {
  state_ = State::connected;
  handshake_ms_ = kNever;
  const bool scales = script_.window_scale >= 0 && peer_options_.window_scale;
  if (scales) shift_ = static_cast<unsigned>(script_.window_scale);
  receiver_.agree_scale(shift_);
  sender_.begin(scales ? *peer_options_.window_scale : 0, payload_max(peer_options_), sack_, now_ms);
}

// Lets the application go on, and sends whatever may go out.
void TcpEnd::pump(VirtualMs now_ms) {
  // What the middle said first is read at once, and none of the application's business.
  const uint64_t preamble = std::min(receiver_.expected().preamble_bytes(), receiver_.received());
  application_.run(now_ms, receiver_.received() - preamble, receiver_.fin_taken());
  receiver_.set_read(application_.read() + preamble);
  while (const std::optional<Piece> piece =
             sender_.next_piece(now_ms, application_.written(), application_.has_closed()))
    say_piece(*piece, now_ms);
  if (receiver_.wants_window_update()) {
    ack_now_ = true;
    ++witness_.tally().window_updates;
  }
  if (ack_now_) say_empty(sender_.empty_place(), now_ms);
  settle(now_ms);
}

void TcpEnd::settle(VirtualMs now_ms) {
  if (sender_.fin_sent() && !receiver_.fin_taken()) closes_first_ = true;
  if (state_ != State::connected || !receiver_.fin_taken() || !sender_.fin_acknowledged()) return;
  if (!closes_first_) return end(Ending::closed, now_ms);
  state_ = State::time_wait;
  time_wait_ms_ = now_ms + kTimeWaitMs;
}

void TcpEnd::end(Ending ending, VirtualMs now_ms) {
  ending_ = ending;
  ended_ms_ = now_ms;
  if (clock_.has_wrapped()) ++witness_.tally().timestamp_wrapped;
  if (sequence_of(sender_.next(), script_.isn) < script_.isn) ++witness_.tally().wrapped;
}

void TcpEnd::abort(Ending ending, VirtualMs now_ms) {
  // RFC 9293 section 3.10.5: nothing is said before the handshake is done.
  if (state_ != State::syn_sent && handshake_sends_ != 0) say_reset(now_ms);
  end(ending, now_ms);
}

std::string TcpEnd::status() const {
  static constexpr std::array kStates = {"idle", "SYN sent", "SYN received", "connected", "TIME_WAIT"};
  return fmt::format(
      "{} at {} ms ({}); received {} of {}{}, sent up to place {}, acknowledged {}, read {}, written {}{}",
      kEndingNames[static_cast<size_t>(ending_)], ended_ms_, kStates[static_cast<size_t>(state_)], receiver_.received(),
      receiver_.expected().byte_count(), receiver_.fin_taken() ? " and FIN" : "", sender_.next(),
      sender_.acknowledged(), application_.read(), application_.written(), application_.has_closed() ? ", closed" : "");
}

}  // namespace millrace::sim
