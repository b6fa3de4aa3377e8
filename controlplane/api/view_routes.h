// view_routes.h: what there is to see of both processes, as views.h shows it.
// Thread: the event loop.      Tests: tests/unit/control/{api,api_stages,api_steering}_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/route.h"

namespace millrace::control {

ApiReply get_status(Daemon& daemon, const Call& call);
ApiReply get_counters(Daemon& daemon, const Call& call);
ApiReply get_snat(Daemon& daemon, const Call& call);
ApiReply get_steering(Daemon& daemon, const Call& call);
ApiReply get_version(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> get_stages(Daemon& daemon, const Call& call);

}  // namespace millrace::control
