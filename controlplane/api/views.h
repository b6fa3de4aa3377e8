// views.h: what the daemon knows, as the JSON of the API. docs/millctl.md describes the fields.
// Holds:  numbers that only a living dataplane has are absent without one.
// Thread: the event loop.      Tests: tests/unit/control/api_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/daemon.h"
#include "controlplane/link/conn_scan.h"
#include "controlplane/link/live_counters.h"

namespace millrace::control {

using Json = nlohmann::ordered_json;

Json version_view();
Json status_view(const Daemon& daemon);
Json services_view(const Daemon& daemon);
// Of one; null: there is none of this name.
Json service_view(const Daemon& daemon, const std::string& name);
// service: only of this one; empty: of all.
Json backends_view(const Daemon& daemon, const std::string& service);
Json backend_view(const Daemon& daemon, const BackendKey& key);
Json counters_view(const Daemon& daemon);
// Per worker and stage, what it costs a packet. worker: only this one.
Json stages_view(const std::vector<StagesLive>& workers, uint64_t tsc_hz, std::optional<uint32_t> worker);
// How packets of each port reach their owners, and how evenly that loads the workers.
Json snat_view(const Daemon& daemon);
Json steering_view(const Daemon& daemon);
Json connections_view(const ConnScan& scan, bool count_only);
Json reload_view(const ReloadReport& report);

// gobetween_view.cpp: in the words of gobetween's API. A server that it does not know: null.
Json gobetween_info(const Daemon& daemon);
Json gobetween_servers(const Daemon& daemon);
Json gobetween_server(const Daemon& daemon, const std::string& name);
Json gobetween_stats(const Daemon& daemon, const std::string& name);

const char* proto_name(Proto proto);
const char* encapsulation_name(Encapsulation encapsulation);
const char* admin_name(Admin admin);

}  // namespace millrace::control
