// config_routes.h: the configuration as a whole.
// Thread: the event loop.      Tests: tests/unit/control/api_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/route.h"

namespace millrace::control {

boost::asio::awaitable<ApiReply> post_reload(Daemon& daemon, const Call& call);

}  // namespace millrace::control
