// eviction_queues.h: who may have to make room when every entry is taken: the lines of those that are not, or not any
// more, of use to two ends, each in the order in which its connections joined it.
// Route:  arm_connection > EvictionQueues::put; open_connection > make_room > EvictionQueues::oldest
// Thread: owning worker only; nothing shared.
// Memory: fixed at start, 8 bytes a slab entry.
// Bound:  every operation is a few stores.
// Holds:  a connection stands in one line at most.
// Tests:  tests/unit/conn/eviction_queues_test.cpp
#pragma once

#include <cstdint>
#include <memory>

#include "millrace/conn_entry.h"
#include "millrace/ids.h"

namespace millrace {

enum class EvictionQueue : uint8_t {
  embryonic,   // TCP whose client has not proven that it is there
  closing,     // TCP that both sides have closed, or one has reset
  unanswered,  // UDP that its backend has not answered; of dsr and tunnel all of it
  none,
};
inline constexpr unsigned kEvictionQueueCount = static_cast<unsigned>(EvictionQueue::none);

// Where a connection in this state stands. Proxied ones nowhere: while they begin, their clients have proven themselves,
// and when they are over, their entry keeps the cookie from being used again.
EvictionQueue eviction_queue_of(const ConnEntry& entry);

class EvictionQueues {
 public:
  EvictionQueues(ConnIndex first, uint32_t count)
      : first_(raw(first)), links_(std::make_unique<Links[]>(count + kEvictionQueueCount)) {
    for (uint32_t head = 0; head < kEvictionQueueCount; ++head) links_[head] = {head, head};
  }

  // Moves it to the end of that line; none: it leaves its line.
  void put(ConnIndex index, EvictionQueue queue) {
    const uint32_t place = raw(index) - first_ + kEvictionQueueCount;
    unlink(place);
    if (queue == EvictionQueue::none) return;
    const auto head = static_cast<uint32_t>(queue);
    const uint32_t last = links_[head].previous;
    links_[place] = {head, last};
    links_[last].next = place;
    links_[head].previous = place;
  }
  // Who has stood there longest; kNoConn: nobody.
  ConnIndex oldest(EvictionQueue queue) const {
    const uint32_t place = links_[static_cast<uint32_t>(queue)].next;
    return place < kEvictionQueueCount ? kNoConn : ConnIndex{place - kEvictionQueueCount + first_};
  }

 private:
  static constexpr uint32_t kNowhere = 0xffff'ffff;
  // Rings; the first places are the queues themselves.
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
