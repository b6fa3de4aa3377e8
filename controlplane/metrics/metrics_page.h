// metrics_page.h: everything that can be counted, for Prometheus. docs/metrics.md lists the families.
// Holds:  counters are monotonic within one life of the dataplane; families that only a living dataplane has are absent
//         without one. gobetween's names stand beside ours, with its labels and meanings.
// Bound:  some 30 lines a backend and 100 ns a line; read in place, no worker is disturbed.
// Thread: the event loop.      Tests: tests/unit/control/metrics_test.cpp
#pragma once

#include <string>

#include "controlplane/daemon.h"

namespace millrace::control {

std::string metrics_page(const Daemon& daemon);

}  // namespace millrace::control
