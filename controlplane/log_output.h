// log_output.h: where millraced's log lines go and how they look.
// Thread: main's, which runs the event loop.      Tests: tests/unit/control/tune_test.cpp
#pragma once

#include <string>

#include "controlplane/config/config.h"

namespace millrace::control {

// Text to stderr, until the configuration is read and everything that can refuse to start has started.
void log_to_stderr(bool verbose);

// As [logging] says. `verbose` wins over its level. False with a sentence in `problem` when its file cannot be opened.
bool log_as_configured(const config::LoggingConfig& wanted, bool verbose, std::string& problem);
// Only its level, of a configuration that comes in force later.
void log_from_level(config::LogLevel level, bool verbose);

}  // namespace millrace::control
