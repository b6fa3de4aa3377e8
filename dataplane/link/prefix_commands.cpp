// prefix_commands.cpp: the command reader's share of messages that carry many prefixes: access rules and the blocklist.
#include <algorithm>
#include <vector>

#include "dataplane/link/command_reader.h"

namespace millrace {
namespace {

bool valid(const AccessRule& rule) { return rule.action <= AccessAction::deny && is_prefix(rule.prefix, rule.bits); }
bool valid(const BlockedPrefix& blocked) { return is_prefix(blocked.prefix, blocked.bits); }

// The first `count` rows of a message are valid, and nothing stands behind them.
template <typename Row, size_t kRows>
bool valid_rows(const Row (&rows)[kRows], unsigned count) {
  return count != 0 && count <= kRows && std::all_of(rows, rows + count, [](const Row& row) { return valid(row); }) &&
         std::all_of(rows + count, rows + kRows, [](const Row& row) { return row == Row{}; });
}

}  // namespace

RejectReason CommandReader::add_access_rules(const AccessRulesCommand& message) {
  Pending& pending = *pending_;
  if (message.reserved != 0 || !valid_rows(message.rules, message.count)) return RejectReason::bad_field;
  if (pending.access_rule_count + message.count > pending.counts.access_rule_count) return RejectReason::bad_count;
  if (raw(message.service) >= pending.model.services.size()) return RejectReason::bad_order;
  std::vector<AccessRule>& of_service = pending.access_rules[raw(message.service)];
  if (of_service.size() + message.count > kAccessRulePerServiceMax) return RejectReason::too_many;
  of_service.insert(of_service.end(), message.rules, message.rules + message.count);
  pending.access_rule_count += message.count;
  return RejectReason::none;
}

RejectReason CommandReader::add_blocked_prefixes(const BlockedPrefixesCommand& message) {
  if (message.reserved != 0 || !valid_rows(message.prefixes, message.count)) return RejectReason::bad_field;
  std::vector<BlockedPrefix>& all = pending_->blocked_prefixes;
  if (all.size() + message.count > pending_->counts.blocked_prefix_count) return RejectReason::bad_count;
  all.insert(all.end(), message.prefixes, message.prefixes + message.count);
  return RejectReason::none;
}

}  // namespace millrace
