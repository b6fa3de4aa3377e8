// event_writer.h: tells the control plane what happened. Never waits: a full ring drops the event and counts it.
// Notes of workers are added up: at most one event per kind and backend every kNoteEventPeriodMs, with the count.
// Thread: main lcore.      Tests: tests/unit/link/event_writer_test.cpp
#pragma once

#include <cstdint>
#include <unordered_map>

#include "dataplane/process_state.h"
#include "millrace/messages.h"
#include "millrace/segment.h"
#include "millrace/shared_ring.h"

namespace millrace {

inline constexpr uint64_t kNoteEventPeriodMs = 100;

class EventWriter {
 public:
  EventWriter(SharedRing<Event>& ring, SegmentHeader& header) : ring_(ring), header_(header) {}

  void applied(Generation generation);
  void rejected(Generation generation, uint32_t sequence, RejectReason reason);
  // Any kind but `resolve`.
  void note(const WorkerNote& note);
  // Sends what notes have added up, when the period is over.
  void flush_notes(uint64_t now_ms);

 private:
  void send(Event event, uint64_t now_ms);

  SharedRing<Event>& ring_;
  SegmentHeader& header_;
  std::unordered_map<uint64_t, Event> summed_;  // by kind, service and backend
  uint64_t flushed_ms_ = 0;
};

}  // namespace millrace
