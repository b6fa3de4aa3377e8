// event_routes.h: what has happened and happens: as a list, or as a stream.
// Thread: the event loop.
// Bound:  kEventStreamMax streams.      Tests: tests/unit/control/events_test.cpp
#pragma once

#include "controlplane/api/route.h"

namespace millrace::control {

ApiReply get_events(Daemon& daemon, const Call& call);

}  // namespace millrace::control
