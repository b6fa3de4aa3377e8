// backend_routes.h: the backends of services: how they are, what an operator says about them for the time being, and the
// static_list of a service, which changes as a server does.
// Thread: the event loop.      Tests: tests/unit/control/{api,backends}_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/route.h"

namespace millrace::control {

ApiReply get_backends(Daemon& daemon, const Call& call);
ApiReply post_backend(Daemon& daemon, const Call& call);

boost::asio::awaitable<ApiReply> post_new_backend(Daemon& daemon, const Call& call);
boost::asio::awaitable<ApiReply> patch_backend(Daemon& daemon, const Call& call);
// Its connections live on until they end.
boost::asio::awaitable<ApiReply> delete_backend(Daemon& daemon, const Call& call);

}  // namespace millrace::control
