// sender.cpp: what goes out, and when it goes out again. Acknowledgments are taken in sender_acks.cpp.
#include "tests/sim/sender.h"

#include <algorithm>

namespace millrace::sim {
namespace {

// Shorter than a real stack's minute: nothing waits so long here, and virtual time is not free.
constexpr uint32_t kTimeoutMsMin = 200, kTimeoutMsMax = 4000;
constexpr size_t kFlightMax = 150;

}  // namespace

Sender::Sender(const EndScript& script, const Witness& witness)
    : script_(script), witness_(witness), random_(script.draws, 1), base_timeout_ms_(script.rto_start_ms) {}

void Sender::begin(unsigned peer_shift, unsigned payload_max, bool sack, VirtualMs now_ms) {
  peer_shift_ = peer_shift;
  payload_max_ = payload_max;
  sack_ = sack;
  congestion_window_ = 10 * payload_max_;
  edges_.push_back({1, now_ms});
}

void Sender::begin_window(uint16_t window, int64_t begin, bool is_syn) {
  edge_ = 1 + (uint64_t{window} << (is_syn ? 0 : peer_shift_));
  window_max_ = std::max(window_max_, edge_ - 1);
  window_from_begin_ = begin;
  window_from_ack_ = 1;
}

void Sender::shrink(unsigned payload_max) {
  payload_max_ = payload_max;
  cut_ = 0;
  for (size_t i = 0; i < flight_.size(); ++i) {
    InFlight& sent = flight_[i];
    if (sent.sacked || sent.end - sent.begin - (sent.fin ? 1 : 0) <= payload_max_) continue;
    InFlight rest = sent;
    rest.begin = sent.end = sent.begin + payload_max_;
    sent.fin = false;
    sent.lost = rest.lost = true;
    const auto at = std::ranges::lower_bound(edges_, sent.end, {}, &Edge::end);
    if (at->end != sent.end) edges_.insert(at, {sent.end, sent.first_ms});
    flight_.insert(flight_.begin() + static_cast<long>(i) + 1, rest);
  }
}

std::optional<Piece> Sender::next_piece(VirtualMs now_ms, uint64_t written, bool has_closed) {
  if (old_byte_probe_due_) {
    old_byte_probe_due_ = false;
    return Piece{.begin = acknowledged_ - 1, .end = acknowledged_ - 1, .is_old_byte_probe = true};
  }
  if (std::optional<Piece> piece = lost_piece(now_ms)) return piece;
  return new_piece(now_ms, written, has_closed);
}

std::optional<Piece> Sender::lost_piece(VirtualMs now_ms) {
  const auto lost = std::ranges::find_if(flight_, [](const InFlight& sent) { return sent.lost; });
  if (lost == flight_.end()) return std::nullopt;
  const uint64_t flying = in_flight_bytes();
  if (flying != 0 && flying + (lost->end - lost->begin) > congestion_window_) return std::nullopt;
  lost->lost = false;
  ++lost->sends;
  timeout_ms_ = now_ms + backed_off_ms();
  return Piece{.begin = lost->begin, .end = lost->end, .fin = lost->fin, .is_again = true};
}

std::optional<Piece> Sender::new_piece(VirtualMs now_ms, uint64_t written, bool has_closed) {
  const uint64_t waiting = 1 + written - std::min(next_, 1 + written);
  const bool fin_due = has_closed && !fin_sent_;
  if (fin_sent_ || (waiting == 0 && !fin_due)) {
    persist_ms_ = kNever;
    return std::nullopt;
  }
  if (new_byte_probe_due_) {
    new_byte_probe_due_ = false;
    Piece probe = send_new(waiting == 0 ? 0 : 1, waiting == 0, now_ms);
    probe.is_new_byte_probe = true;
    return probe;
  }
  if (!flight_.empty() && (flight_.size() >= kFlightMax || in_flight_bytes() >= congestion_window_))
    return std::nullopt;
  if (cut_ == 0) cut_ = draw_cut();
  const uint64_t wanted = std::min(cut_, waiting);
  // RFC 9293 section 3.7.4; a FIN does not wait.
  if (script_.nagle && !fin_due && wanted == waiting && wanted < payload_max_ && !flight_.empty()) return std::nullopt;
  const uint64_t bytes = fitting(wanted);
  const bool fin = fin_due && bytes == waiting && fin_fits(bytes) && (bytes == 0 || random_.chance(0.7));
  if (bytes == 0 && !fin) {
    wait_for_window(now_ms);
    return std::nullopt;
  }
  return send_new(bytes, fin, now_ms);
}

uint64_t Sender::fitting(uint64_t wanted) const {
  const uint64_t usable = edge_ > next_ ? edge_ - next_ : 0;
  if (wanted <= usable) return wanted;
  // RFC 9293 section 3.8.6.2.1: no silly windows, but by the persist timer.
  return forced_ || usable >= payload_max_ || usable * 2 >= window_max_ ? usable : 0;
}

bool Sender::fin_fits(uint64_t bytes_before) const {
  return !script_.fin_waits_for_window || next_ + bytes_before < edge_;
}

Piece Sender::send_new(uint64_t bytes, bool fin, VirtualMs now_ms) {
  const Place end = next_ + bytes + (fin ? 1 : 0);
  flight_.push_back({.begin = next_, .end = end, .fin = fin, .beyond_window = end > edge_, .first_ms = now_ms});
  edges_.push_back({end, now_ms});
  const Piece piece{.begin = next_, .end = end, .fin = fin};
  next_ = end;
  fin_sent_ = fin;
  cut_ = 0;
  forced_ = false;
  persist_ms_ = kNever;
  if (timeout_ms_ == kNever) timeout_ms_ = now_ms + backed_off_ms();
  return piece;
}

uint64_t Sender::draw_cut() {
  switch (script_.cut) {
    case Cut::full:
      return payload_max_;
    case Cut::random:
      return random_.chance(0.5) ? payload_max_ : random_.between(1, payload_max_);
    case Cut::tiny:
      return random_.chance(0.5) ? random_.between(1, std::min<uint64_t>(payload_max_, 64)) : payload_max_;
  }
  return payload_max_;
}

// Only an otherwise silent connection needs a timer for that: the ACKs of what is under way tell the window.
void Sender::wait_for_window(VirtualMs now_ms) {
  if (persist_ms_ == kNever && flight_.empty()) persist_ms_ = now_ms + backed_off_ms();
}

void Sender::wake(VirtualMs now_ms) {
  if (now_ms >= timeout_ms_) {
    ++timeouts_;
    ++backoff_;
    ++witness_.tally().timeouts;
    for (InFlight& sent : flight_) sent.lost = !sent.sacked;
    slow_start_threshold_ = std::max(in_flight_bytes() / 2, 2 * payload_max_);
    congestion_window_ = payload_max_;
    recover_ = next_;
    duplicates_ = 0;
    timeout_ms_ = flight_.empty() ? kNever : now_ms + backed_off_ms();
  }
  if (now_ms >= persist_ms_) {
    ++timeouts_;
    ++backoff_;
    persist_ms_ = now_ms + backed_off_ms();
    if (edge_ > next_)
      forced_ = true;
    else
      (script_.probes_with_data ? new_byte_probe_due_ : old_byte_probe_due_) = true;
  }
}

Place Sender::empty_place() const {
  // A probe's byte, or a FIN, beyond the window may not have been taken: what follows it would lie outside.
  if (!flight_.empty() && flight_.back().beyond_window && edge_ < flight_.back().end) return flight_.back().begin;
  return next_;
}

VirtualMs Sender::first_sent_ms(int64_t place) const {
  const auto edge =
      std::ranges::upper_bound(edges_, place, {}, [](const Edge& e) { return static_cast<int64_t>(e.end); });
  return edge == edges_.end() ? kNever : edge->first_ms;
}

uint64_t Sender::in_flight_bytes() const {
  uint64_t bytes = 0;
  for (const InFlight& sent : flight_)
    if (!sent.sacked && !sent.lost) bytes += sent.end - sent.begin;
  return bytes;
}

uint32_t Sender::backed_off_ms() const { return std::min(base_timeout_ms_ << std::min(backoff_, 8u), kTimeoutMsMax); }

// RFC 6298 section 2.
void Sender::sample_round_trip(uint32_t ms) {
  if (!has_sample_) {
    smoothed_ms_ = ms;
    variation_ms_ = ms / 2;
    has_sample_ = true;
  } else {
    const uint32_t off_ms = ms > smoothed_ms_ ? ms - smoothed_ms_ : smoothed_ms_ - ms;
    variation_ms_ = (3 * variation_ms_ + off_ms) / 4;
    smoothed_ms_ = (7 * smoothed_ms_ + ms) / 8;
  }
  base_timeout_ms_ = std::clamp(smoothed_ms_ + 4 * variation_ms_, kTimeoutMsMin, kTimeoutMsMax);
}

}  // namespace millrace::sim
