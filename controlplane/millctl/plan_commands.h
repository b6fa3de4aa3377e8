// plan_commands.h: the whole configuration, looked at before it counts, taken on trial, and taken back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controlplane/millctl/commands.h"

namespace millrace::millctl {

struct ChangeArguments {
  std::string file;            // "-": standard input
  std::string confirm_within;  // "60s"; empty: for good
  std::optional<uint64_t> number;
};

// Ends with Exit::differs where the file would change something.
Exit run_plan(const Options& options, const ChangeArguments& which);
Exit run_apply(const Options& options, const ChangeArguments& which);
Exit run_confirm(const Options& options);
Exit run_rollback(const Options& options, const ChangeArguments& which);
Exit run_history(const Options& options, const ChangeArguments& which);

}  // namespace millrace::millctl
