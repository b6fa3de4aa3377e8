// change_commands.h: services and backends that are added, changed and removed, settings that are tuned, and what was changed so far.
// Tests: tests/unit/control/millctl_changes_test.cpp
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/millctl/commands.h"

namespace millrace::millctl {

// Not given: as the backend has it, or the default of a new one.
struct BackendOptions {
  std::optional<uint32_t> weight;
  std::optional<uint32_t> priority;
  std::optional<uint32_t> max_connections;
  std::string sni;
  std::string proxy_protocol;
};

// `file`: the keys of [servers.NAME] in TOML or JSON, or a file with that table; "-": standard input.
Exit run_service_add(const Options& options, const std::string& name, const std::string& file);
// merge: only the keys that the file has.
Exit run_service_set(const Options& options, const std::string& name, const std::string& file, bool merge);
Exit run_service_remove(const Options& options, const std::string& name);
Exit run_service_show(const Options& options, const std::string& name);

Exit run_backend_add(const Options& options, const std::string& service, const std::string& backend,
                     const BackendOptions& which);
Exit run_backend_set(const Options& options, const std::string& service, const std::string& backend,
                     const BackendOptions& which);
Exit run_backend_remove(const Options& options, const std::string& service, const std::string& backend);

// What `millctl tune` was told.
struct TuneOptions {
  std::vector<std::string> assignments;  // NAME=VALUE
  std::vector<std::string> resets;       // NAME
};
// Told nothing it lists the settings.
Exit run_tune(const Options& options, const TuneOptions& which);

// drop: goes back to the file.
Exit run_changes(const Options& options, bool drop);
Exit run_dump(const Options& options, const std::string& format);

// after: only what came after the event of this number. follow: and what comes, until it is interrupted.
Exit run_events(const Options& options, uint64_t after, bool follow);

}  // namespace millrace::millctl
