#include "dataplane/conn/slab_lines.h"

namespace millrace {

SlabLine line_of(const ConnEntry& entry) {
  if (entry.spliced != 0) return SlabLine::none;
  switch (entry.state) {
    case ConnState::syn_sent:
    case ConnState::syn_received:
      return SlabLine::embryonic;
    case ConnState::time_wait:
    case ConnState::closed:
      return SlabLine::closing;
    case ConnState::open:
    case ConnState::counted:
      return entry.backend_seen_ms == entry.opened_ms ? SlabLine::unanswered : SlabLine::none;
    default:
      return SlabLine::none;
  }
}

SlabLines::SlabLines(ConnIndex first, uint32_t count)
    : first_(raw(first)), links_(std::make_unique_for_overwrite<Links[]>(count + kSlabLineCount)) {
  for (uint32_t head = 0; head < kSlabLineCount; ++head) links_[head] = {head, head};
  for (uint32_t i = 0; i < count; ++i) {
    links_[i + kSlabLineCount] = {};
    put(ConnIndex{first_ + i}, SlabLine::free);
  }
}

}  // namespace millrace
