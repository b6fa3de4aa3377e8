// setting_routes.h: the settings that can be changed while both processes run: as they are, with their ranges, and tuned over
// the file, which is kept as changes of servers are.
// Thread: the event loop.
// Fails:  what is not possible is answered with every reason, and nothing changes.
// Tests:  tests/unit/control/tune_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/route.h"

namespace millrace::control {

ApiReply get_settings(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> patch_settings(Daemon& daemon, const Call& call);

}  // namespace millrace::control
