// server_routes.h: servers that are added, replaced, changed and removed while millraced runs: gobetween's POST and DELETE
// /servers/NAME, ours at /v1/services/NAME, and at /v1/changes what they have changed so far.
// Thread: the event loop.
// Fails:  what is not possible is answered with every reason, and nothing changes.
// Tests:  tests/unit/control/changes_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/route.h"

namespace millrace::control {

ApiReply unknown_server(const std::string& name);
// Puts other changes over the file in force. Only within a turn of the daemon. `what`: for log lines and refusals.
boost::asio::awaitable<ApiReply> apply_changes(Daemon& daemon, config::Changes changes, std::string what);

boost::asio::awaitable<ApiReply> post_server(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> delete_server(Daemon& daemon, const Call& call);

ApiReply get_services(Daemon& daemon, const Call& call);
ApiReply get_service(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> put_service(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> patch_service(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> delete_service(Daemon& daemon, const Call& call);

ApiReply get_changes(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> delete_changes(Daemon& daemon, const Call& call);

}  // namespace millrace::control
