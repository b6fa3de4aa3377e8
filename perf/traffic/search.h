// search.h: the highest rate that gets through, after RFC 2544 section 26.1: trials of a fixed time, halving the
// interval. On a machine that is shared a trial that fails is run once more: a core that was taken away is not the
// balancer.
// Thread: one.
// Bound:  1 + 2 x kSearchSteps trials, and one for the latency.
#pragma once

#include <vector>

#include "perf/traffic/bench.h"
#include "perf/traffic/trial.h"

namespace millrace::traffic {

inline constexpr unsigned kSearchSteps = 8;

struct SearchResult {
  Trial flood;  // as many as go, for where to begin
  std::vector<Trial> trials;
  bool generator_limited = false;  // of the rates that failed, the lowest did so because this program could not send it
  double rate = 0;                 // the highest that passed, 0: none
  Trial at_load;                   // latency, at `load` x rate
};

SearchResult search_rate(Bench& bench);

}  // namespace millrace::traffic
