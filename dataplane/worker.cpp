// worker.cpp: the loop and its clock.
#include "dataplane/worker.h"

#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "dataplane/idler.h"
#include "dataplane/link/monotonic.h"
#include "dataplane/stages/announce.h"
#include "dataplane/stages/connection.h"
#include "dataplane/stages/drop_blocked.h"
#include "dataplane/stages/fragments.h"
#include "dataplane/stages/next_hop.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/syn_answer.h"
#include "dataplane/stages/syn_gate.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

// The turn before this one ends where this one begins, so that a turn costs one TSC read. Idling counts with the empty
// turn that it follows.
void begin_turn(Worker& worker, uint64_t tsc) {
  if (worker.turn_had_packets) worker.counters.busy_cycles.add(tsc - worker.turn_tsc);
  worker.counters.total_cycles.set(tsc - worker.start_tsc);
  worker.turn_tsc = tsc;
  // Pair with the main lcore's release stores when it publishes.
  worker.snapshot = worker.state.snapshot.load(std::memory_order_acquire);
  worker.routes = worker.state.routes.load(std::memory_order_acquire);
}

// What need not be done more than once a millisecond.
void keep_house(Worker& worker) {
  worker.cookies.advance(worker.clock.now_ms());
  expire_connections(worker);
  repeat_answers(worker);
  calm_gates(worker);
  release_held(worker);
  expire_fragments(worker);
  announce_addresses(worker);
}

// One body for timed turns and all others: the watch of those is empty.
template <bool kTimed>
unsigned run_stages(Worker& worker, bool new_ms) {
  StageWatch<kTimed> watch;
  Burst& burst = worker.burst;
  const unsigned taken = poll_burst(worker, burst);
  watch.ended(Stage::poll);
  if (burst.count != 0) {
    parse_burst(worker, burst);
    if (worker.snapshot->blocklist) [[unlikely]]
      drop_blocked(worker, burst);
    if (burst.has_fragments) [[unlikely]]
      follow_fragments(worker, burst);
    watch.ended(Stage::parse);
    lookup_burst(worker, burst);
    watch.ended(Stage::lookup);
    act_burst(worker, burst);
    watch.ended(Stage::act);
    rewrite_burst(worker, burst);
    watch.ended(Stage::rewrite);
  }
  if (new_ms)
    keep_house(worker);
  else if (worker.expiries_left)
    expire_connections(worker);
  watch.ended(Stage::house);
  transmit_burst(worker);
  watch.ended(Stage::transmit);
  watch.record(worker.counters, taken, burst.count);
  return taken;
}

}  // namespace

unsigned worker_turn(Worker& worker) {
  const uint64_t tsc = rte_rdtsc();
  begin_turn(worker, tsc);
  const bool new_ms = worker.clock.advance(tsc);
  const bool timed = worker.turns_to_timed == 0;
  const unsigned taken = timed ? run_stages<true>(worker, new_ms) : run_stages<false>(worker, new_ms);
  if (taken != 0) worker.turns_to_timed = timed ? kTurnsPerTimed : worker.turns_to_timed - 1;
  // The vDSO answers, without a system call.
  if (worker.clock.anchor_is_old(tsc)) worker.clock.anchor(rte_rdtsc(), monotonic_ms());
  worker.turn_had_packets = taken != 0;
  (taken != 0 ? worker.counters.bursts : worker.counters.idle_polls).add(1);
  return taken;
}

void worker_run(Worker& worker) {
  WorkerInfo& info = worker.state.worker_info[raw(worker.self)];
  info.cpu = static_cast<uint32_t>(std::max(sched_getcpu(), 0));
  info.tid = static_cast<uint32_t>(gettid());
  // Otherwise the kernel adds up to 50 us to every short sleep.
  prctl(PR_SET_TIMERSLACK, 1000);
  rte_rcu_qsbr* qsbr = worker.state.qsbr;
  rte_rcu_qsbr_thread_register(qsbr, raw(worker.self));
  rte_rcu_qsbr_thread_online(qsbr, raw(worker.self));
  Idler idler(worker);
  while (!worker.state.stop.load(std::memory_order_relaxed)) {
    const unsigned taken = worker_turn(worker);
    // Snapshot, routes and neighbours of this turn are not used again: they are loaded anew.
    rte_rcu_qsbr_quiescent(qsbr, raw(worker.self));
    if (!worker.expiries_left) idler.after_turn(taken);
  }
  rte_rcu_qsbr_thread_offline(qsbr, raw(worker.self));
  rte_rcu_qsbr_thread_unregister(qsbr, raw(worker.self));
}

}  // namespace millrace
