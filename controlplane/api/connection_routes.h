// connection_routes.h: the connections of the slab, filtered and counted.
// Thread: the event loop.
// Bound:  kConnectionListMax connections an answer.      Tests: tests/unit/control/api_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/route.h"

namespace millrace::control {

inline constexpr uint32_t kConnectionListMax = 10'000;  // some 300 bytes of JSON each
inline constexpr uint32_t kConnectionListDefault = 100;

boost::asio::awaitable<ApiReply> get_connections(Daemon& daemon, const Call& call);

}  // namespace millrace::control
