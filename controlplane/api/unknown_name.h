// unknown_name.h: the answer to a name that nothing bears: 404 and the names that there are.
#pragma once

#include <string>

#include "controlplane/api/reply.h"
#include "controlplane/daemon.h"

namespace millrace::control {

ApiReply unknown_service(const Daemon& daemon, const std::string& name);
ApiReply unknown_backend(const DesiredService& service, const std::string& endpoint);

}  // namespace millrace::control
