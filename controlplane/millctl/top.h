// top.h: services, backends and workers, live, and drain or enable for the backend that is marked.
#pragma once

#include "controlplane/millctl/commands.h"

namespace millrace::millctl {

Exit run_top(const Options& options);

}  // namespace millrace::millctl
