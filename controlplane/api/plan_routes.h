// plan_routes.h: the whole configuration, looked at before it counts, taken on trial, and taken back.
// Thread: the event loop.      Tests: tests/unit/control/change_control_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/route.h"

namespace millrace::control {

inline constexpr uint32_t kConfirmSecondsMax = 24 * 3600;

// The body is a configuration, TOML or JSON.
boost::asio::awaitable<ApiReply> post_plan(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> post_apply(Daemon& daemon, const Call& call);  // ?confirm_within=60s
ApiReply post_confirm(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> post_rollback(Daemon& daemon, const Call& call);  // ?to=N
ApiReply get_history(Daemon& daemon, const Call& call);
ApiReply get_history_entry(Daemon& daemon, const Call& call);

}  // namespace millrace::control
