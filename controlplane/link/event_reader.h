// event_reader.h: takes events off the ring, checks every field, and drops what cannot be.
// Thread: the event loop.
// Bound:  at most one ring's worth a call; a peer that writes without end cannot hold the loop.
// Tests:  tests/unit/control/link_test.cpp
#pragma once

#include <cstdint>
#include <vector>

#include "millrace/messages.h"
#include "millrace/shared_ring.h"

namespace millrace::control {

// Whether every field of an event is one that its kind may have.
bool is_valid_event(const Event& event);

class EventReader {
 public:
  explicit EventReader(SharedRing<Event> ring) : ring_(ring) {}

  std::vector<Event> poll();
  bool sound() const { return ring_.sound(); }
  uint64_t malformed_count() const { return malformed_count_; }

 private:
  SharedRing<Event> ring_;
  uint64_t malformed_count_ = 0;
};

}  // namespace millrace::control
