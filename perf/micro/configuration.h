// configuration.h: what the control plane would send for a bed.
#pragma once

#include "dataplane/link/desired_model.h"
#include "perf/micro/bed.h"

namespace millrace::perf {

// Longer than the last step of a million lives takes; benchmarks move the clock past it.
inline constexpr uint32_t kTimeWaitMs = 60'000;

// The first service is the one that FlowPlan's clients talk to, with kBackendCount backends. Of the others each has
// four; their weights hang on the generation, so that no table can be taken over from the generation before.
DesiredModel configuration(const BedOptions& options, const FlowPlan& plan, Generation generation);

}  // namespace millrace::perf
