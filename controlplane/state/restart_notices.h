// restart_notices.h: which changes of a reloaded file take effect only when a process is started anew.
// Thread: any; pure.      Tests: tests/unit/control/state_test.cpp
#pragma once

#include <string>
#include <vector>

#include "controlplane/config/config.h"

namespace millrace::control {

// One sentence per table or key; empty when everything is in force after the reload.
std::vector<std::string> restart_notices(const config::Config& running, const config::Config& loaded);

}  // namespace millrace::control
