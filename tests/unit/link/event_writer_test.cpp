#include "dataplane/link/event_writer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

namespace millrace {
namespace {

class EventWriterTest : public testing::Test {
 protected:
  std::vector<Event> received() {
    std::vector<Event> all;
    Event event;
    while (reader_.try_receive(event)) all.push_back(event);
    return all;
  }
  static constexpr uint32_t kSlots = 16;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  const size_t bytes_ = shared_ring_bytes(sizeof(Event), kSlots);
  std::unique_ptr<void, Free> memory_{std::aligned_alloc(64, bytes_)};
  SharedRing<Event> ring_ = *SharedRing<Event>::create(memory_.get(), bytes_, kSlots);
  SharedRing<Event> reader_ = *SharedRing<Event>::join(memory_.get(), bytes_, kSlots);
  SegmentHeader header_;
  EventWriter writer_{ring_, header_};
};

using EventWriter_answers = EventWriterTest;
using EventWriter_notes = EventWriterTest;

TEST_F(EventWriter_answers, name_generation_sequence_and_reason) {
  writer_.applied(8);
  writer_.rejected(9, 1234, RejectReason::no_pool);
  const std::vector<Event> events = received();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::applied);
  EXPECT_EQ(events[0].generation, 8u);
  EXPECT_NE(events[0].time_ms, 0u);
  EXPECT_EQ(events[1].kind, EventKind::rejected);
  EXPECT_EQ(events[1].generation, 9u);
  EXPECT_EQ(events[1].sequence, 1234u);
  EXPECT_EQ(events[1].reason, RejectReason::no_pool);
  EXPECT_EQ(header_.commands_rejected.load(), 1u);
}

TEST_F(EventWriter_answers, a_full_ring_drops_and_counts) {
  for (uint32_t i = 0; i < kSlots + 5; ++i) writer_.applied(i);
  EXPECT_EQ(header_.events_dropped.load(), 5u);
  EXPECT_EQ(received().size(), kSlots);
}

TEST_F(EventWriter_notes, are_added_up_by_kind_and_backend) {
  for (unsigned i = 0; i < 7; ++i)
    writer_.note({.kind = NoteKind::connect_failed, .service = ServiceSlot{1}, .backend = BackendSlot{2}});
  writer_.note({.kind = NoteKind::connect_failed, .service = ServiceSlot{1}, .backend = BackendSlot{3}});
  writer_.note({.kind = NoteKind::backend_reset, .service = ServiceSlot{1}, .backend = BackendSlot{2}});
  writer_.note({.kind = NoteKind::slab_full});
  writer_.note({.kind = NoteKind::slab_full, .service = ServiceSlot{4}});
  EXPECT_TRUE(received().empty());
  writer_.flush_notes(1000);
  const std::vector<Event> events = received();
  ASSERT_EQ(events.size(), 4u);
  uint32_t failed = 0, reset = 0, full = 0;
  for (const Event& event : events) {
    if (event.kind == EventKind::connect_failed && event.backend == BackendSlot{2}) failed = event.count;
    if (event.kind == EventKind::backend_reset) reset = event.count;
    if (event.kind == EventKind::slab_full) full = event.count;
  }
  EXPECT_EQ(failed, 7u);
  EXPECT_EQ(reset, 1u);
  EXPECT_EQ(full, 2u);
}

TEST_F(EventWriter_notes, of_a_service_alone_name_no_backend) {
  writer_.note({.kind = NoteKind::syn_proxy_on, .service = ServiceSlot{1}});
  writer_.note({.kind = NoteKind::syn_proxy_off, .service = ServiceSlot{2}});
  writer_.note({.kind = NoteKind::client_refused, .service = ServiceSlot{3}, .backend = kNoBackend});
  writer_.note({.kind = NoteKind::backends_full, .service = ServiceSlot{4}});
  writer_.note({.kind = NoteKind::service_full, .service = ServiceSlot{5}});
  writer_.note({.kind = NoteKind::evicted, .service = ServiceSlot{6}});
  writer_.flush_notes(1000);
  const std::map<ServiceSlot, EventKind> expected = {
      {ServiceSlot{1}, EventKind::syn_proxy_on},   {ServiceSlot{2}, EventKind::syn_proxy_off},
      {ServiceSlot{3}, EventKind::client_refused}, {ServiceSlot{4}, EventKind::backends_full},
      {ServiceSlot{5}, EventKind::service_full},   {ServiceSlot{6}, EventKind::evicted}};
  std::map<ServiceSlot, EventKind> told;
  for (const Event& event : received()) {
    EXPECT_EQ(event.backend, kNoBackend);
    told[event.service] = event.kind;
  }
  EXPECT_EQ(told, expected);
}

TEST_F(EventWriter_notes, are_told_at_most_once_a_period) {
  const WorkerNote note{.kind = NoteKind::snat_exhausted, .service = ServiceSlot{1}, .backend = BackendSlot{2}};
  writer_.note(note);
  writer_.flush_notes(1000);
  EXPECT_EQ(received().size(), 1u);
  for (uint64_t ms = 1001; ms < 1000 + kNoteEventPeriodMs; ++ms) {
    writer_.note(note);
    writer_.flush_notes(ms);
  }
  EXPECT_TRUE(received().empty());
  writer_.flush_notes(1000 + kNoteEventPeriodMs);
  const std::vector<Event> events = received();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].count, kNoteEventPeriodMs - 1);
}

}  // namespace
}  // namespace millrace
