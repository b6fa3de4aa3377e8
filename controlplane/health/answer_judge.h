// answer_judge.h: kind = "probe": is what a backend answered what was expected?
// Thread: any; pure.      Tests: tests/unit/control/health_probe_test.cpp
#pragma once

#include <string_view>

#include "controlplane/config/healthcheck.h"
#include "controlplane/health/probe.h"

namespace millrace::control {

// `answer`: at most check.answer_bytes; less where no more will come.
ProbeResult judge_answer(std::string_view answer, const config::ProbeCheck& check);

}  // namespace millrace::control
