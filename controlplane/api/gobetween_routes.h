// gobetween_routes.h: what is read by gobetween's paths: /, /ping, /dump, /servers. Where it answers 200 with null for what it
// does not know, we answer 404. What changes servers is in server_routes.h.
// Thread: the event loop.      Tests: tests/unit/control/gobetween_test.cpp
#pragma once

#include "controlplane/api/route.h"

namespace millrace::control {

ApiReply get_info(Daemon& daemon, const Call& call);
ApiReply get_ping(Daemon& daemon, const Call& call);
ApiReply get_dump(Daemon& daemon, const Call& call);
ApiReply get_servers(Daemon& daemon, const Call& call);
ApiReply get_server(Daemon& daemon, const Call& call);
ApiReply get_server_stats(Daemon& daemon, const Call& call);

}  // namespace millrace::control
