// metrics_routes.h: the one path of the metrics port.
// Thread: the event loop.      Tests: tests/unit/control/metrics_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/reply.h"
#include "controlplane/daemon.h"

namespace millrace::control {

// GET /metrics. `daemon` must outlive the answer.
boost::asio::awaitable<ApiReply> route_metrics(const Daemon& daemon, ApiRequest request);

}  // namespace millrace::control
