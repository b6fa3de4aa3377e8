// commands.h: what each subcommand asks, and how its answer ends: the exit codes of docs/millctl.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::millctl {

// differs: of plan, as other planners end. left_out: of import, which asks no millraced. bug: sysexits.h has it as EX_SOFTWARE.
enum class Exit : int { done = 0, refused = 1, usage = 2, differs = 2, unreachable = 3, left_out = 3, bug = 70 };

struct Options {
  std::string socket;
  bool json = false;
};

struct ConnectionOptions {
  std::string service;
  std::string backend;
  std::string client;
  uint32_t limit = 100;
  bool count = false;
  bool verbose = false;
};

struct StageOptions {
  std::optional<uint32_t> worker;      // all of them otherwise
  std::optional<uint32_t> interval_s;  // since the dataplane's start otherwise
};

struct ImportOptions {
  std::vector<std::string> words;  // FILE, or what it is and FILE
  std::vector<std::string> snat;   // addresses
};

Exit run_status(const Options& options);
Exit run_services(const Options& options);
Exit run_backends(const Options& options, const std::string& service);
Exit run_connections(const Options& options, const ConnectionOptions& which);
Exit run_counters(const Options& options);
Exit run_stages(const Options& options, const StageOptions& which);
Exit run_drops(const Options& options);
Exit run_snat(const Options& options);
Exit run_steering(const Options& options);
Exit run_version(const Options& options);
Exit run_reload(const Options& options);
// admin: "enabled", "drain" or "disabled".
Exit run_admin(const Options& options, const std::string& service, const std::string& backend,
               const std::string& admin);
Exit run_weight(const Options& options, const std::string& service, const std::string& backend, uint32_t weight);
// Needs no millraced.
Exit run_check(const Options& options, const std::string& file);
// Neither.
Exit run_import(const Options& options, const ImportOptions& which);

}  // namespace millrace::millctl
