// keepalived_checks.h: TCP_CHECK, HTTP_GET and their kin as a health check of ours.
// Tests: tests/unit/import/keepalived_test.cpp
#pragma once

#include "controlplane/import/draft.h"
#include "controlplane/import/keepalived_lexer.h"

namespace millrace::importing {

// What a virtual server says for the checks of all its real servers.
struct CheckDefaults {
  uint64_t delay_loop_ms = 60'000;
  uint64_t connect_timeout_ms = 5'000;
  std::optional<uint64_t> retry;
  std::string virtualhost;
  bool alpha = false;
};

bool is_check(std::string_view name);
// Reads one of the settings above; false: it is none of them.
bool read_check_default(const Statement& statement, CheckDefaults& defaults, Complaints& complaints);
// Nothing after complaining. `endpoint`: of the real server.
std::optional<DraftCheck> read_check(const Statement& statement, const CheckDefaults& defaults,
                                     const Endpoint& endpoint, Complaints& complaints);

}  // namespace millrace::importing
