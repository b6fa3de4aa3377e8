#include "dataplane/conn/timer_wheel.h"

#include <algorithm>

#include "millrace/limits.h"

namespace millrace {

static_assert(kConnectionMax <= 0x8000'0000, "an entry's place and kHead share a word");
static_assert((uint64_t{1} << 32) % (uint64_t{TimerWheel::kTickMs} * TimerWheel::kSlotCount) == 0,
              "slots must go on in order where the 32-bit clock wraps");

TimerWheel::TimerWheel(ConnIndex first, uint32_t count, Ms now_ms)
    : first_(first), links_(new Links[count]), heads_(new uint32_t[kSlotCount]), tick_ms_(now_ms / kTickMs * kTickMs) {
  std::fill_n(heads_.get(), kSlotCount, kNone);
}

void TimerWheel::arm(ConnIndex index, Ms due_ms) {
  const uint32_t local = raw(index) - raw(first_);
  unlink(local);
  // Not the slot that is next to be emptied: advance() may be emptying it right now, and would never end with an
  // on_due that arms for a time already past.
  const int32_t ticks_ahead = static_cast<int32_t>(due_ms - tick_ms_) / static_cast<int32_t>(kTickMs);
  const uint32_t ahead = static_cast<uint32_t>(std::clamp(ticks_ahead, 1, static_cast<int32_t>(kSlotCount) - 1));
  const uint32_t slot = (tick_ms_ / kTickMs + ahead) % kSlotCount;

  Links& links = links_[local];
  links.next = heads_[slot];
  links.previous = kHead | slot;
  if (links.next != kNone) links_[links.next].previous = local;
  heads_[slot] = local;
}

void TimerWheel::cancel(ConnIndex index) { unlink(raw(index) - raw(first_)); }

void TimerWheel::unlink(uint32_t local) {
  Links& links = links_[local];
  if (links.previous == kNone) return;
  if (links.previous & kHead)
    heads_[links.previous & ~kHead] = links.next;
  else
    links_[links.previous].next = links.next;
  if (links.next != kNone) links_[links.next].previous = links.previous;
  links = Links{};
}

}  // namespace millrace
