// ring_bench.cpp: a message through the shared segment's ring, and packets through a hand-over ring; both ends in one
// thread, so that the work is measured and not the way between two cores.

#include <rte_ring.h>

#include <cstdlib>
#include <memory>

#include "dataplane/process_state.h"
#include "millrace/limits.h"
#include "millrace/messages.h"
#include "millrace/shared_ring.h"
#include "perf/micro/benches.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

template <typename Message>
void run_shared_ring(benchmark::State& state, uint32_t slots) {
  const size_t bytes = shared_ring_bytes(sizeof(Message), slots);
  const std::unique_ptr<void, void (*)(void*)> memory(std::aligned_alloc(RTE_CACHE_LINE_SIZE, bytes), std::free);
  auto sender = SharedRing<Message>::create(memory.get(), bytes, slots);
  auto receiver = SharedRing<Message>::join(memory.get(), bytes, slots);
  if (!sender || !receiver) return state.SkipWithError("no ring");
  Message message;
  uint64_t received = 0;
  for (auto _ : state) {
    if (sender->try_send(message)) received += receiver->try_receive(message);
  }
  if (received != static_cast<uint64_t>(state.iterations())) state.SkipWithError("a message was lost");
  report_operations(state, received);
}

void run_handover_ring(benchmark::State& state) {
  rte_ring* ring = rte_ring_create("bench_handover", kHandoverRingSlots, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (ring == nullptr) return state.SkipWithError("no ring");
  void* packets[kBurstMax] = {};
  uint64_t passed = 0;
  for (auto _ : state) {
    rte_ring_sp_enqueue_burst(ring, packets, kBurstMax, nullptr);
    passed += rte_ring_sc_dequeue_burst(ring, packets, kBurstMax, nullptr);
  }
  rte_ring_free(ring);
  report_operations(state, passed);
}

}  // namespace

void register_ring_benches() {
  register_part({.name = "command_ring"}, [](auto& state) { run_shared_ring<Command>(state, kCommandRingSlots); });
  register_part({.name = "event_ring"}, [](auto& state) { run_shared_ring<Event>(state, kEventRingSlots); });
  register_part({.name = "handover_ring"}, [](auto& state) { run_handover_ring(state); });
}

}  // namespace millrace::perf
