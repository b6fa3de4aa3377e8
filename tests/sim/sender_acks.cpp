// sender_acks.cpp: what comes back: acknowledgments, SACK blocks, windows; each checked before it is believed.
#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/sender.h"

namespace millrace::sim {
namespace {

// So many segments behind a missing one say that it is lost (RFC 5681, 6675).
constexpr unsigned kDuplicatesMax = 3;
constexpr uint64_t kCongestionWindowMax = 128 * 1024;

}  // namespace

bool Sender::take_ack(const Segment& segment, int64_t begin, const Receiver* peer, VirtualMs now_ms) {
  const int64_t place = place_of(segment.ack, script_.isn, next_);
  check_ack(place, segment, peer);
  if (place > static_cast<int64_t>(next_)) return false;
  timeouts_ = 0;
  if (place < 1) return true;
  const auto ack = static_cast<Place>(place);
  take_sack(segment, ack, peer);
  const bool new_window = take_window(segment, begin, ack, peer);
  if (ack > acknowledged_) {
    advance(ack, now_ms);
  } else if (ack == acknowledged_ && !flight_.empty() && segment.length() == 0 && !new_window) {
    ++duplicates_;
  }
  find_losses();
  return true;
}

void Sender::check_ack(int64_t ack, const Segment& segment, const Receiver* peer) const {
  if (ack > static_cast<int64_t>(next_))
    return witness_.report(
        fmt::format("ACK {} is {} beyond what was sent", segment.ack, ack - static_cast<int64_t>(next_)));
  if (ack < 1) return witness_.report(fmt::format("ACK {} lies {} before the first byte", segment.ack, 1 - ack));
  if (!is_edge(static_cast<Place>(ack)))
    return witness_.report(fmt::format("ACK {} (place {}) cuts a segment", segment.ack, ack));
  if (peer == nullptr || ack == 1) return;
  const Place there = peer->next() - std::min(peer->next(), peer->expected().preamble_bytes());
  if (static_cast<Place>(ack) > there)
    witness_.report(
        fmt::format("ACK {} (place {}) of what the peer has not got: it is at {}", segment.ack, ack, there));
}

bool Sender::is_edge(Place place) const { return std::ranges::binary_search(edges_, place, {}, &Edge::end); }

const char* Sender::fault_of(int64_t left, int64_t right, Place ack, bool may_be_duplicate,
                             const Receiver* peer) const {
  if (left >= right) return "is empty or reversed";
  if (left < 1) return "begins before the first byte";
  if (right > static_cast<int64_t>(next_)) return "ends beyond what was sent";
  const auto begin = static_cast<Place>(left), end = static_cast<Place>(right);
  if (!is_edge(begin) || !is_edge(end)) return "cuts a segment";
  if (begin < ack && (end > ack || !may_be_duplicate)) return "lies below the ACK";
  if (peer == nullptr) return nullptr;
  const uint64_t preamble = peer->expected().preamble_bytes();
  return peer->has(begin + preamble, end + preamble) ? nullptr : "names what the peer has not got";
}

void Sender::take_sack(const Segment& segment, Place ack, const Receiver* peer) {
  const std::vector<SackBlock>& blocks = segment.options.sack;
  if (blocks.empty()) return;
  if (!sack_) {
    if (!witness_.judge->lenient.unagreed_options) witness_.report("SACK blocks without SACK-permitted");
    return;
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const int64_t left = place_of(blocks[i].left, script_.isn, next_);
    const int64_t right = place_of(blocks[i].right, script_.isn, next_);
    if (const char* fault = fault_of(left, right, ack, i == 0, peer)) {
      witness_.report(fmt::format("SACK block {}-{} (places {}-{}, sent up to {}) {}", blocks[i].left, blocks[i].right,
                                  left, right, next_, fault));
      continue;
    }
    ++witness_.tally().sack_blocks;
    if (static_cast<Place>(right) <= ack) ++witness_.tally().duplicate_sack_blocks;
    for (InFlight& sent : flight_)
      if (sent.begin >= static_cast<Place>(left) && sent.end <= static_cast<Place>(right))
        sent.sacked = true, sent.lost = false;
  }
}

bool Sender::take_window(const Segment& segment, int64_t begin, Place ack, const Receiver* peer) {
  const Place edge = ack + (uint64_t{segment.window} << peer_shift_);
  if (peer != nullptr && edge + peer->expected().preamble_bytes() > peer->edge() && segment.window != 0)
    witness_.report(fmt::format("window {} lets out up to place {}, the peer only up to {}", segment.window, edge,
                                peer->edge() - peer->expected().preamble_bytes()));
  if (begin < window_from_begin_ || (begin == window_from_begin_ && ack < window_from_ack_)) return false;
  const bool changed = edge != edge_;
  edge_ = edge;
  window_max_ = std::max(window_max_, uint64_t{segment.window} << peer_shift_);
  window_from_begin_ = begin;
  window_from_ack_ = ack;
  if (edge_ > next_ && persist_ms_ != kNever) {
    persist_ms_ = kNever;
    backoff_ = 0;
  }
  return changed;
}

void Sender::advance(Place ack, VirtualMs now_ms) {
  std::optional<VirtualMs> sent_ms;
  while (!flight_.empty() && flight_.front().end <= ack) {
    // Karn: what was sent twice tells nothing.
    if (flight_.front().sends == 1) sent_ms = flight_.front().first_ms;
    flight_.pop_front();
  }
  if (sent_ms) sample_round_trip(static_cast<uint32_t>(now_ms - *sent_ms));
  const uint64_t acked = ack - acknowledged_;
  acknowledged_ = ack;
  backoff_ = 0;
  duplicates_ = 0;
  congestion_window_ += congestion_window_ < slow_start_threshold_
                            ? std::min(acked, payload_max_)
                            : std::max<uint64_t>(payload_max_ * payload_max_ / congestion_window_, 1);
  congestion_window_ = std::min(congestion_window_, kCongestionWindowMax);
  // RFC 6582: within a recovery, the next hole is lost as well.
  if (ack < recover_ && !flight_.empty() && !flight_.front().sacked && flight_.front().sends == 1)
    flight_.front().lost = true;
  timeout_ms_ = flight_.empty() ? kNever : now_ms + backed_off_ms();
}

void Sender::find_losses() {
  bool found = false;
  const auto lose = [&](InFlight& sent) {
    if (sent.sacked || sent.lost || sent.sends > 1) return;
    sent.lost = found = true;
    ++witness_.tally().fast_retransmissions;
  };
  unsigned sacked_behind = 0;
  for (auto sent = flight_.rbegin(); sent != flight_.rend(); ++sent) {
    if (sent->sacked)
      ++sacked_behind;
    else if (sacked_behind >= kDuplicatesMax)
      lose(*sent);
  }
  if (duplicates_ >= kDuplicatesMax && !flight_.empty()) lose(flight_.front());
  if (!found || acknowledged_ < recover_) return;
  recover_ = next_;
  slow_start_threshold_ = std::max(congestion_window_ / 2, 2 * payload_max_);
  congestion_window_ = slow_start_threshold_;
}

}  // namespace millrace::sim
