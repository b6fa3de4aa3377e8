// mixes.h: the kinds of traffic. Each function runs one trial, drains, and says what it found.
//   open_flows > run_established    flows that were opened before, packets of a random one each time
//   run_syn                         SYNs that nobody answers
//   run_connections                 whole lives, SYN to last ACK, each packet answered by the next (life.h)
// Thread: one.
// Bound:  the given seconds, and three of draining at worst; open_flows: kOpenPasses passes over the flows.
#pragma once

#include "perf/traffic/bench.h"
#include "perf/traffic/trial.h"

namespace millrace::traffic {

// Opens every flow of the bench and learns its SNAT endpoint. Progress on stderr. Returns seconds.
// Fails: std::runtime_error when some do not open.
double open_flows(Bench& bench);

// `rate`: packets a second, 0 for as many as go.
Trial run_established(Bench& bench, double rate, double seconds);
Trial run_syn(Bench& bench, double rate, double seconds);
// `rate`: connections a second.
Trial run_connections(Bench& bench, double rate, double seconds);

}  // namespace millrace::traffic
