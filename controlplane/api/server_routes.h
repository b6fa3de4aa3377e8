// server_routes.h: servers that are added, replaced, changed and removed while millraced runs: gobetween's POST and DELETE
// /servers/NAME, ours at /v1/services/NAME, and at /v1/changes what they have changed so far.
// Thread: the event loop.
// Fails:  what is not possible is answered with every reason, and nothing changes.
// Tests:  tests/unit/control/changes_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "controlplane/api/reply.h"
#include "controlplane/api/target.h"
#include "controlplane/daemon.h"

namespace millrace::control {

// nullopt: a path or a method of others.
boost::asio::awaitable<std::optional<ApiReply>> route_servers(Daemon& daemon, const Target& target,
                                                              const ApiRequest& request);

}  // namespace millrace::control
