// event_writer.cpp: answers at once, notes in sums.
#include "dataplane/link/event_writer.h"

#include "dataplane/link/monotonic.h"

namespace millrace {
namespace {

// One writer: load and store, no locked instruction.
void count_one(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

bool names_backend(EventKind kind) {
  return kind != EventKind::slab_full && kind != EventKind::syn_proxy_on && kind != EventKind::syn_proxy_off &&
         kind != EventKind::backends_full && kind != EventKind::service_full && kind != EventKind::evicted;
}

EventKind event_kind(NoteKind kind) {
  switch (kind) {
    case NoteKind::connect_failed:
      return EventKind::connect_failed;
    case NoteKind::backend_reset:
      return EventKind::backend_reset;
    case NoteKind::snat_exhausted:
      return EventKind::snat_exhausted;
    case NoteKind::client_refused:
      return EventKind::client_refused;
    case NoteKind::syn_proxy_on:
      return EventKind::syn_proxy_on;
    case NoteKind::syn_proxy_off:
      return EventKind::syn_proxy_off;
    case NoteKind::backends_full:
      return EventKind::backends_full;
    case NoteKind::service_full:
      return EventKind::service_full;
    case NoteKind::evicted:
      return EventKind::evicted;
    case NoteKind::slab_full:
    case NoteKind::resolve:
      break;
  }
  return EventKind::slab_full;
}

}  // namespace

void EventWriter::send(Event event, uint64_t now_ms) {
  event.time_ms = now_ms;
  if (!ring_.try_send(event)) count_one(header_.events_dropped);
}

void EventWriter::applied(Generation generation) {
  Event event;
  event.kind = EventKind::applied;
  event.generation = generation;
  send(event, monotonic_ms());
}

void EventWriter::rejected(Generation generation, uint32_t sequence, RejectReason reason) {
  count_one(header_.commands_rejected);
  Event event;
  event.kind = EventKind::rejected;
  event.generation = generation;
  event.sequence = sequence;
  event.reason = reason;
  send(event, monotonic_ms());
}

void EventWriter::note(const WorkerNote& note) {
  const EventKind kind = event_kind(note.kind);
  const ServiceSlot service = kind != EventKind::slab_full ? note.service : kNoService;
  const BackendSlot backend = names_backend(kind) ? note.backend : kNoBackend;
  const uint64_t key = uint64_t{static_cast<uint16_t>(kind)} << 32 | uint32_t{raw(service)} << 16 | raw(backend);
  Event& event = summed_[key];
  event.kind = kind;
  event.service = service;
  event.backend = backend;
  ++event.count;
}

void EventWriter::flush_notes(uint64_t now_ms) {
  if (summed_.empty() || now_ms - flushed_ms_ < kNoteEventPeriodMs) return;
  flushed_ms_ = now_ms;
  for (auto& [key, event] : summed_) {
    event.generation = header_.applied_generation.load(std::memory_order_relaxed);
    send(event, now_ms);
  }
  summed_.clear();
}

}  // namespace millrace
