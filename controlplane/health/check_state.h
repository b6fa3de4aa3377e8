// check_state.h: how single probe results become a backend's health: `fails` failures in a row take it down,
// `passes` successes in a row bring it back.
// Thread: any; a plain value.      Tests: tests/unit/control/health_test.cpp
#pragma once

#include <cstdint>
#include <string>

#include "controlplane/config/config.h"
#include "controlplane/health/probe.h"
#include "millrace/messages.h"

namespace millrace::control {

struct CheckState {
  Health health = Health::up;
  uint32_t fails_in_row = 0;
  uint32_t passes_in_row = 0;
  uint64_t check_count = 0;
  std::string cause;  // of the last failure in words; empty after a success

  // Takes one result in. True: health changed.
  bool take(const ProbeResult& result, const config::HealthcheckConfig& config);
};

}  // namespace millrace::control
