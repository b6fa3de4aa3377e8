// fragment_coverage.h: which parts of a datagram came. In units of 8 bytes, in which fragments are cut.
// Holds:  no byte counts twice: what was not there before is fresh, and nothing else is.
// Thread: any; pure.      Tests: tests/unit/stages/fragment_coverage_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace millrace {

// One fragment's place. `end` is the unit after its last one, which the datagram's last fragment need not fill.
struct FragmentPlace {
  uint16_t first = 0;
  uint16_t end = 0;
  bool last = false;
};

class FragmentCoverage {
 public:
  // Pieces that do not touch; a datagram of 64 KiB in Ethernet's size, every other fragment first, has 22. With fewer
  // gaps than this any order comes through.
  static constexpr unsigned kSpanMax = 24;

  enum class Added : uint8_t {
    fresh,
    duplicate,  // all of it came before; nothing changed
    overlap,    // a part of it came before, or it does not fit what is known of the datagram's end; nothing changed
    full,       // one gap too many; nothing changed
  };

  Added add(const FragmentPlace& place) {
    if (contradicts_end(place)) return Added::overlap;
    unsigned at = 0;  // the first span that does not end before the place begins
    while (at < count_ && spans_[at].end < place.first) ++at;
    if (at < count_ && spans_[at].first <= place.first && place.end <= spans_[at].end) return Added::duplicate;
    const bool joins_before = at < count_ && spans_[at].end == place.first;
    const unsigned next = joins_before ? at + 1 : at;
    if (next < count_ && spans_[next].first < place.end) return Added::overlap;
    const bool joins_next = next < count_ && spans_[next].first == place.end;
    if (!joins_before && !joins_next && count_ == kSpanMax) return Added::full;
    put(place, at, joins_before, joins_next);
    if (place.last) end_ = place.end;
    return Added::fresh;
  }

  bool complete() const { return end_ != 0 && count_ == 1 && spans_[0].first == 0 && spans_[0].end == end_; }

 private:
  struct Span {
    uint16_t first;
    uint16_t end;
  };

  bool contradicts_end(const FragmentPlace& place) const {
    if (end_ != 0) return place.end > end_ || (place.last && place.end != end_);
    return place.last && count_ != 0 && spans_[count_ - 1].end > place.end;
  }

  void put(const FragmentPlace& place, unsigned at, bool joins_before, bool joins_next) {
    Span* const span = spans_.data() + at;
    Span* const past = spans_.data() + count_;
    if (joins_before && joins_next) {
      span[0].end = span[1].end;
      std::move(span + 2, past, span + 1);
      --count_;
    } else if (joins_before) {
      span->end = place.end;
    } else if (joins_next) {
      span->first = place.first;
    } else {
      std::move_backward(span, past, past + 1);
      *span = Span{place.first, place.end};
      ++count_;
    }
  }

  uint16_t end_ = 0;  // of the datagram; 0 until its last fragment came
  uint16_t count_ = 0;
  std::array<Span, kSpanMax> spans_;  // the first count_, in order
};

}  // namespace millrace
