// setting_body.h: settings to tune as the body of a request says them.
// Fails:  with a status, what is wrong and what would be right; the changes then are as they were.
// Thread: any; pure.      Tests: tests/unit/control/tune_test.cpp, tests/fuzz/rest_fuzz.cpp
#pragma once

#include <string>

#include "controlplane/api/static_list.h"
#include "controlplane/config/changes.h"

namespace millrace::control {

// {"timeouts.syn_sent": "5s", "logging.level": null}: null goes back to the file. Values are checked when they are laid over
// the file. `what`: the same for people, "timeouts.syn_sent = 5s, logging.level reset".
Refusal tune(const std::string& body, config::Changes& changes, std::string& what);

}  // namespace millrace::control
