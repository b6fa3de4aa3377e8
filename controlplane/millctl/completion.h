// completion.h: scripts that complete millctl's commands and options, made from the command line's own tree, so that they
// know what this millctl knows.
// Tests: tests/unit/control/completion_test.cpp
#pragma once

#include <CLI/CLI.hpp>

#include "controlplane/millctl/commands.h"

namespace millrace::millctl {

enum class Shell { bash, zsh, fish };

Exit run_completion(const CLI::App& app, Shell shell);

}  // namespace millrace::millctl
