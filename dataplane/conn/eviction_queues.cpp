#include "dataplane/conn/eviction_queues.h"

namespace millrace {

EvictionQueue eviction_queue_of(const ConnEntry& entry) {
  if (entry.spliced != 0) return EvictionQueue::none;
  switch (entry.state) {
    case ConnState::syn_sent:
    case ConnState::syn_received:
      return EvictionQueue::embryonic;
    case ConnState::time_wait:
    case ConnState::closed:
      return EvictionQueue::closing;
    case ConnState::open:
    case ConnState::counted:
      return entry.backend_seen_ms == entry.opened_ms ? EvictionQueue::unanswered : EvictionQueue::none;
    default:
      return EvictionQueue::none;
  }
}

}  // namespace millrace
