// backend_routes.h: the backends of services: how they are, and what an operator says about them.
// Thread: the event loop.      Tests: tests/unit/control/api_test.cpp
#pragma once

#include "controlplane/api/route.h"

namespace millrace::control {

ApiReply get_backends(Daemon& daemon, const Call& call);
ApiReply post_backend(Daemon& daemon, const Call& call);

}  // namespace millrace::control
