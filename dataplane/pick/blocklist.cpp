// blocklist.cpp: see the header. A blocklist is access rules that all deny.
#include "dataplane/pick/blocklist.h"

#include <utility>

namespace millrace {
namespace {

AccessTable deny_all(const std::vector<BlockedPrefix>& prefixes) {
  std::vector<AccessRule> rules;
  rules.reserve(prefixes.size());
  for (const BlockedPrefix& blocked : prefixes) rules.push_back({blocked.prefix, blocked.bits, AccessAction::deny});
  return {AccessAction::allow, rules};
}

}  // namespace

Blocklist::Blocklist(std::vector<BlockedPrefix> prefixes)
    : prefixes_(std::move(prefixes)), table_(deny_all(prefixes_)) {}

std::shared_ptr<const Blocklist> compile_blocklist(std::vector<BlockedPrefix> prefixes) {
  if (prefixes.empty()) return nullptr;
  return std::make_shared<const Blocklist>(std::move(prefixes));
}

}  // namespace millrace
