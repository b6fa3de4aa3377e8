// routes.h: every path of the API, in one table. What a path does stands in the file of its noun: backend_routes.h, ….
// Thread: the event loop.      Tests: tests/unit/control/{routes,api}_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/reply.h"
#include "controlplane/api/route_table.h"
#include "controlplane/daemon.h"

namespace millrace::control {

const RouteTable& api_routes();

// Answers one request. `daemon` must outlive the answer.
boost::asio::awaitable<ApiReply> route_request(Daemon& daemon, ApiRequest request);

}  // namespace millrace::control
