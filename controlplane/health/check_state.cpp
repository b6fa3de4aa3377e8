#include "controlplane/health/check_state.h"

namespace millrace::control {

bool CheckState::take(const ProbeResult& result, const config::HealthcheckConfig& config) {
  if (result.outcome == ProbeOutcome::not_run) return false;
  ++check_count;
  if (result.outcome == ProbeOutcome::passed) {
    cause.clear();
    fails_in_row = 0;
    ++passes_in_row;
    if (health == Health::up || passes_in_row < config.passes) return false;
    health = Health::up;
    return true;
  }
  cause = result.cause;
  passes_in_row = 0;
  ++fails_in_row;
  if (health == Health::down || fails_in_row < config.fails) return false;
  health = Health::down;
  return true;
}

}  // namespace millrace::control
