#include "tests/sim/receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace millrace::sim {

Receiver::Receiver(const EndScript& script, Stream expected, std::vector<uint64_t> urgent, const Witness& witness)
    : script_(script),
      expected_(std::move(expected)),
      urgent_(std::move(urgent)),
      witness_(witness),
      threshold_(std::min<uint64_t>(script.buffer_bytes / 2, 1460)) {}

bool Receiver::is_acceptable(int64_t begin, uint32_t length) const {
  const auto next = static_cast<int64_t>(next_), edge = static_cast<int64_t>(this->edge());
  if (length == 0) return begin >= next && begin <= edge;
  // A FIN or a probe may stand right behind a full window; whether it is taken is another question.
  return begin + length > next && begin <= edge;
}

void Receiver::check_place(int64_t begin, const Segment& segment) const {
  const int64_t end = begin + static_cast<int64_t>(segment.payload.size());
  // One byte beyond, as a probe of a closed window.
  const int64_t end_max = static_cast<int64_t>(edge()) + (segment.payload.size() == 1 ? 1 : 0);
  if (begin < 0) witness_.report(fmt::format("sequence number {} lies {} before the peer's SYN", segment.seq, -begin));
  if (end > end_max)
    witness_.report(fmt::format("data or sequence number up to place {}, but the window ends at {}", end, edge()));
}

bool Receiver::take(int64_t begin, const Segment& segment) {
  if (segment.length() == 0) return false;
  const auto first = static_cast<Place>(begin);
  check_content(first, segment);
  if (segment.has(kUrg)) check_urgent(first, segment);
  Range range{first, first + segment.length()};
  const Place data_end = first + segment.payload.size();
  if (data_end > edge()) range.end = edge();  // what does not fit; its FIN neither
  if (range.end <= range.begin) return true;
  if (range.end <= next_ || has(range.begin, range.end)) {
    duplicate_ = range;
    return true;
  }
  const bool in_order = range.begin <= next_;
  const bool closes_gap = in_order && !gaps_after_.empty();
  const uint64_t before = received();
  keep(range);
  advance();
  witness_.tally().bytes += received() - before;
  if (!in_order) ++witness_.tally().out_of_order;
  return !in_order || closes_gap || segment.has(kFin);
}

void Receiver::note_duplicate(int64_t begin, const Segment& segment) {
  if (begin < 1 || segment.payload.empty()) return;
  const auto first = static_cast<Place>(begin);
  if (first + segment.length() <= next_) duplicate_ = {first, first + segment.length()};
}

void Receiver::check_content(Place begin, const Segment& segment) const {
  const uint64_t offset = begin - 1;
  const uint64_t right = expected_.matching(offset, segment.payload);
  if (right < segment.payload.size()) {
    const uint64_t at = offset + right;
    witness_.report(at >= expected_.byte_count()
                        ? fmt::format("byte {} of a stream of {}", at, expected_.byte_count())
                        : fmt::format("byte {} of {} is {}", at, expected_.byte_count(), segment.payload[right]));
  }
  const uint64_t fin_offset = offset + segment.payload.size();
  if (segment.has(kFin) && fin_offset != expected_.byte_count())
    witness_.report(fmt::format("FIN after {} of {} bytes", fin_offset, expected_.byte_count()));
}

void Receiver::check_urgent(Place begin, const Segment& segment) const {
  ++witness_.tally().urgent;
  // The pointer leads to the byte behind the urgent one (RFC 6093 section 3.1).
  const uint64_t offset = begin - 1 + segment.urgent - 1 - expected_.preamble_bytes();
  if (std::ranges::find(urgent_, offset) == urgent_.end())
    witness_.report(fmt::format("byte {} is urgent, which it never was", offset));
}

void Receiver::keep(Range range) {
  const auto touches = [&](const Range& other) { return other.begin <= range.end && range.begin <= other.end; };
  for (auto it = gaps_after_.begin(); it != gaps_after_.end();) {
    if (!touches(*it)) {
      ++it;
      continue;
    }
    range = {std::min(range.begin, it->begin), std::max(range.end, it->end)};
    // A larger range may touch more of them.
    gaps_after_.erase(it);
    it = gaps_after_.begin();
  }
  gaps_after_.insert(gaps_after_.begin(), range);
}

void Receiver::advance() {
  for (auto it = gaps_after_.begin(); it != gaps_after_.end(); ++it) {
    if (it->begin > next_) continue;
    next_ = std::max(next_, it->end);
    gaps_after_.erase(it);
    break;  // no other touches it
  }
  const Place fin = expected_.byte_count() + 1;
  if (next_ == fin + 1) fin_taken_ = true;
  if (next_ > fin + 1) next_ = fin + 1;  // reported as wrong content already
}

bool Receiver::has(Place begin, Place end) const {
  if (end <= next_) return true;
  return std::ranges::any_of(
      gaps_after_, [&](const Range& range) { return range.begin <= std::max(begin, next_) && end <= range.end; });
}

uint64_t Receiver::space() const {
  const uint64_t unread = received() - std::min(read_, received());
  const uint64_t space = script_.buffer_bytes > unread ? script_.buffer_bytes - unread : 0;
  return std::min(space, uint64_t{65535} << shift_);
}

uint16_t Receiver::window_field(unsigned shift) {
  const uint64_t free = space();
  Place edge = next_ + free;
  if (edge < advertised_ + threshold_) edge = std::max(advertised_, next_);
  const uint64_t window = edge - next_;
  uint64_t field = window >> shift;
  // Rounded up as long as the buffer has it, so that the edge does not go back.
  if ((field << shift) != window && ((field + 1) << shift) <= free) ++field;
  field = std::min<uint64_t>(field, 65535);
  advertised_ = std::max(advertised_, next_ + (field << shift));
  if (field == 0) ++witness_.tally().zero_windows;
  return static_cast<uint16_t>(field);
}

bool Receiver::wants_window_update() const {
  return !fin_taken_ && next_ + space() >= advertised_ + std::max<uint64_t>(threshold_, uint64_t{1} << shift_);
}

std::vector<SackBlock> Receiver::sack_blocks(size_t count_max, bool with_duplicate) {
  std::vector<SackBlock> blocks;
  const auto add = [&](const Range& range) {
    if (blocks.size() < count_max)
      blocks.push_back({sequence_of(range.begin, peer_isn_), sequence_of(range.end, peer_isn_)});
  };
  if (with_duplicate && duplicate_.end != 0) add(duplicate_);
  for (const Range& range : gaps_after_) add(range);
  if (!blocks.empty()) duplicate_ = {0, 0};
  return blocks;
}

}  // namespace millrace::sim
