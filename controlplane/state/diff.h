// diff.h: the least that must be said to get the dataplane from one desired state to the next.
// Thread: any; pure.      Tests: tests/unit/control/state_test.cpp
#pragma once

#include <vector>

#include "controlplane/state/desired_state.h"
#include "millrace/messages.h"

namespace millrace::control {

struct StateChange {
  // Something other than health, weight or admin of a known backend changed: the whole state must be sent.
  bool snapshot_needed = false;
  // Otherwise: one message per changed backend. Empty: nothing to do.
  std::vector<SetBackendCommand> set_backends;
};

StateChange diff_state(const DesiredState& from, const DesiredState& to);

// Whether both have the same services, binds, pools, settings, backends and blocklist, apart from health, weight and admin.
bool same_structure(const DesiredState& a, const DesiredState& b);

}  // namespace millrace::control
