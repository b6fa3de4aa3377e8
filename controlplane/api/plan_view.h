// plan_view.h: plans, changes and the history as the JSON of the API.
// Thread: the event loop.      Tests: tests/unit/control/change_control_test.cpp
#pragma once

#include "controlplane/api/views.h"
#include "controlplane/change_control.h"

namespace millrace::control {

Json plan_view(const Plan& plan);
// What was done: the plan of it, and how it ended.
Json change_view(const ChangeReport& report);
Json history_view(const Daemon& daemon);
// Null while no change waits to be confirmed.
Json trial_view(const Daemon& daemon);

}  // namespace millrace::control
