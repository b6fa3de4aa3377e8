#include "dataplane/stages/evict.h"

#include <algorithm>
#include <span>

#include "dataplane/conn/idle.h"
#include "dataplane/stages/connection.h"
#include "dataplane/stages/notes.h"

namespace millrace {
namespace {

// Its packet is still to be rewritten by what the entry says; later fragments do not count as a sign of life.
bool is_in_burst(const Worker& worker, ConnIndex index) {
  const auto conns = std::span(worker.burst.conns).first(worker.burst.count);
  return std::ranges::any_of(conns, [index](const ConnRef& ref) { return ref.found() && ref.index == index; });
}

bool may_go(const Worker& worker, ConnIndex index, Ms silent_ms) {
  const Ms silent_for_ms = worker.clock.now32_ms() - last_seen_ms(worker.slab[index]);
  return silent_for_ms >= silent_ms && !is_in_burst(worker, index);
}

// Those that go on sending wait at the end of their line. Behind one that is itself too young all are.
ConnIndex find_quiet(Worker& worker, SlabLine line) {
  for (unsigned i = 0; i < kLineLooks; ++i) {
    const ConnIndex index = worker.slab.oldest(line);
    if (index == kNoConn || may_go(worker, index, kQuietMs)) return index;
    if (worker.clock.now32_ms() - worker.slab[index].opened_ms < kQuietMs) return kNoConn;
    worker.slab.line_up(index, line);
  }
  return kNoConn;
}

bool may_idle(const ConnEntry& entry) {
  switch (entry.state) {
    case ConnState::established:
    case ConnState::client_fin:
    case ConnState::backend_fin:
    case ConnState::open:
    case ConnState::counted:
      return true;
    default:
      return false;
  }
}

// The hand goes over the share lap by lap, a few entries a call. Those that a lap leaves are idle at its due time at the
// earliest, and those that came since later still: until then a flood does not make it look again.
ConnIndex find_idle(Worker& worker) {
  IdleHand& hand = worker.idle_hand;
  const Ms now_ms = worker.clock.now32_ms();
  if (hand.place == 0) {
    if (hand.due_ms - now_ms - 1 < kActiveMs) return kNoConn;
    hand.due_ms = now_ms + kActiveMs;
  }
  for (unsigned i = 0; i < kIdleLooks; ++i) {
    const ConnIndex index{raw(worker.slab.first()) + hand.place};
    hand.place = hand.place + 1 == worker.slab.capacity() ? 0 : hand.place + 1;
    const ConnEntry& entry = worker.slab[index];
    if (may_idle(entry)) {
      if (may_go(worker, index, kActiveMs)) return index;
      const Ms idle_at_ms = last_seen_ms(entry) + kActiveMs;
      if (ms_after(hand.due_ms, idle_at_ms)) hand.due_ms = idle_at_ms;
    }
    if (hand.place == 0) break;
  }
  return kNoConn;
}

ConnIndex find_victim(Worker& worker) {
  for (const SlabLine line : {SlabLine::embryonic, SlabLine::closing, SlabLine::unanswered}) {
    const ConnIndex index = find_quiet(worker, line);
    if (index != kNoConn) return index;
  }
  return find_idle(worker);
}

}  // namespace

bool make_room(Worker& worker) {
  if (!worker.slab.is_full()) return true;
  const ConnIndex index = find_victim(worker);
  if (index == kNoConn) return false;
  const ServiceSlot service = worker.slab[index].service;
  worker.counters.connections_evicted.add(1);
  worker.service_counters[raw(service)].evicted.add(1);
  send_note(worker, WorkerNote{.kind = NoteKind::evicted, .service = service, .backend = kNoBackend});
  close_connection(worker, index, FlowEnd::evicted);
  return true;
}

}  // namespace millrace
