// slots_moved.h: how much of a service's table of places, by which maglev and iphash1 choose, leads elsewhere after a change:
// the share of new flows that another backend gets than before. Built by the dataplane's own code.
// Thread: any; pure.
// Bound:  four tables of kMaglevSize places, some ms each.      Tests: tests/unit/control/plan_test.cpp
#pragma once

#include <optional>

#include "controlplane/state/desired_state.h"

namespace millrace::control {

// 0 to 1, over the tables of both families. nullopt: one of them has no such table, or another kind than the other, or a
// table for each server name.
std::optional<double> share_of_slots_moved(const DesiredService& from, const DesiredService& to);

}  // namespace millrace::control
