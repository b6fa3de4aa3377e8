// gobetween_routes.h: the paths of gobetween's API: /, /ping, /dump, /servers. Where it answers 200 with null for what it does
// not know, we answer 404.
// Thread: the event loop.      Tests: tests/unit/control/gobetween_test.cpp
#pragma once

#include <optional>

#include "controlplane/api/reply.h"
#include "controlplane/api/target.h"
#include "controlplane/daemon.h"

namespace millrace::control {

// nullopt: the path is none of gobetween's.
std::optional<ApiReply> route_gobetween(const Daemon& daemon, const Target& target, const ApiRequest& request);

}  // namespace millrace::control
