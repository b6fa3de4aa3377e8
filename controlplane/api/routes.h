// routes.h: the paths of the API and what each does.
// Thread: the event loop.      Tests: tests/unit/control/api_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/reply.h"
#include "controlplane/daemon.h"

namespace millrace::control {

inline constexpr uint32_t kConnectionListMax = 10'000;  // some 300 bytes of JSON each
inline constexpr uint32_t kConnectionListDefault = 100;

// Answers one request. `daemon` must outlive the answer.
boost::asio::awaitable<ApiReply> route_request(Daemon& daemon, ApiRequest request);

}  // namespace millrace::control
