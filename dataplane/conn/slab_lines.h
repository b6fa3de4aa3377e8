// slab_lines.h: the lines in which the entries of one worker's share stand, each in the order in which they joined it:
// those that are free, and those that may have to make room when none is, as they are not, or not any more, of use to
// two ends.
// Route:  Slab::claim, Slab::release > put; arm_connection > Slab::line_up; make_room > Slab::oldest
// Thread: owning worker only; nothing shared.
// Memory: fixed at start, 8 bytes a slab entry.
// Bound:  every operation is a few stores.
// Holds:  an entry stands in one line at most.
// Tests:  tests/unit/conn/slab_lines_test.cpp
#pragma once

#include <cstdint>
#include <memory>

#include "millrace/conn_entry.h"
#include "millrace/ids.h"

namespace millrace {

enum class SlabLine : uint8_t {
  free,
  embryonic,   // TCP whose client has not proven that it is there
  closing,     // TCP that both sides have closed, or one has reset
  unanswered,  // UDP that its backend has not answered; of dsr and tunnel all of it
  none,
};
inline constexpr unsigned kSlabLineCount = static_cast<unsigned>(SlabLine::none);

// Where a connection in this state stands. Proxied ones nowhere: while they begin, their clients have proven themselves,
// and when they are over, their entry keeps the cookie from being used again.
SlabLine line_of(const ConnEntry& entry);

class SlabLines {
 public:
  // All are free, the first one for the longest time.
  SlabLines(ConnIndex first, uint32_t count);

  // Moves it to the end of that line; none: it leaves its line.
  void put(ConnIndex index, SlabLine line) {
    const uint32_t place = raw(index) - first_ + kSlabLineCount;
    unlink(place);
    if (line == SlabLine::none) return;
    const auto head = static_cast<uint32_t>(line);
    const uint32_t last = links_[head].previous;
    links_[place] = {head, last};
    links_[last].next = place;
    links_[head].previous = place;
  }
  // Who has stood there longest; kNoConn: nobody.
  ConnIndex oldest(SlabLine line) const {
    const uint32_t place = links_[static_cast<uint32_t>(line)].next;
    return place < kSlabLineCount ? kNoConn : ConnIndex{place - kSlabLineCount + first_};
  }
  // Its links will be wanted soon.
  void prefetch(ConnIndex index) const { __builtin_prefetch(&links_[raw(index) - first_ + kSlabLineCount], 1); }

 private:
  static constexpr uint32_t kNowhere = 0xffff'ffff;
  // Rings; the first places are the lines themselves.
  struct Links {
    uint32_t next = kNowhere;
    uint32_t previous = kNowhere;
  };
  void unlink(uint32_t place) {
    Links& links = links_[place];
    if (links.next == kNowhere) return;
    links_[links.next].previous = links.previous;
    links_[links.previous].next = links.next;
    links = {};
  }

  uint32_t first_;
  std::unique_ptr<Links[]> links_;
};

}  // namespace millrace
