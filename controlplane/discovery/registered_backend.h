// registered_backend.h: what a server writes about itself into ZooKeeper or etcd, as a backend.
// Thread: any; pure.
// Bound:  kRegisteredBytesMax, JSON kJsonDepthMax deep.
// Fails:  with a sentence; never throws.
// Tests:  tests/unit/control/registered_backend_test.cpp, tests/fuzz/discovery_fuzz.cpp
#pragma once

#include <optional>
#include <string_view>

#include "controlplane/config/values.h"

namespace millrace::control {

inline constexpr size_t kRegisteredBytesMax = 16 * 1024;

// What stands under one name of the registry. nullopt: it says of itself that it serves nobody now.
using Registered = std::optional<config::Parsed<config::BackendConfig>>;

// `data` is a line of a static_list, or a JSON object: host (or address) and port, perhaps weight, priority,
// max_connections and sni; also as Curator and Finagle (serverset) write them. Empty: `name` is "address:port".
Registered parse_registered(std::string_view name, std::string_view data);

}  // namespace millrace::control
