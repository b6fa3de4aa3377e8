// worker.h: one pinned lcore: polls its queues and hand-over rings, runs every packet to completion.
// Route:  worker_run > poll_burst > parse_burst > lookup_burst > act_burst > rewrite_burst > transmit_burst
// Thread: the lcore it was launched on.
// Tests:  tests/unit/stages/worker_test.cpp
#pragma once

#include <memory>

#include "dataplane/process_state.h"
#include "millrace/ids.h"

namespace millrace {

struct Worker;

// Makes a worker's tables: connection table, slab share, timer wheel, buffers. Main lcore, before launching.
// Throws std::runtime_error with a sentence for the operator when memory does not suffice.
std::unique_ptr<Worker, void (*)(Worker*)> make_worker(ProcessState& state, WorkerIndex index);

// Runs until state.stop is set. Main loop of the lcore.
void worker_run(Worker& worker);

// One turn of the loop: everything worker_run does for one burst, without idling. For tests and benchmarks.
// Returns how many packets it took from ports and hand-over rings.
unsigned worker_turn(Worker& worker);

}  // namespace millrace
