// probe_errors.h: what the errors of sockets say about a backend, and in which words.
// Thread: any.
#pragma once

#include <boost/system/error_code.hpp>
#include <chrono>

#include "controlplane/health/probe.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {

// Errors of this host do not take a backend down: not_run. All others: failed.
ProbeResult failed_by(const boost::system::error_code& error);
// "no answer within 150 ms"
ProbeResult timed_out(std::chrono::milliseconds timeout);

}  // namespace millrace::control
