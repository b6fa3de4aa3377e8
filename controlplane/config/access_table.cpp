// access_table.cpp: [servers.NAME.access], and the file that holds a long list of rules.
#include "controlplane/config/list_file.h"
#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

Parsed<AccessRule> parse_access_rule(std::string_view text) {
  const std::vector<std::string_view> words = split_words(text);
  if (words.size() != 2 || (words[0] != "allow" && words[0] != "deny"))
    return {quote(text) + " is not a rule", "write allow or deny and a prefix, such as \"deny 192.0.2.0/24\""};
  Parsed<Prefix> network = parse_network(words[1]);
  if (!network.value) return {std::move(network.problem), std::move(network.remedy)};
  return AccessRule{network.value->addr, network.value->bits,
                    words[0] == "allow" ? AccessAction::allow : AccessAction::deny};
}

}  // namespace

void read_access_table(TableReader& table, ServiceConfig& service) {
  static constexpr Choice<AccessAction> kActions[] = {{"allow", AccessAction::allow}, {"deny", AccessAction::deny}};
  service.access_default = table.read_choice("default", kActions).value_or(AccessAction::allow);
  std::vector<AccessRule> rules = read_list(table, "rules", "rules_file", "rule", parse_access_rule);
  if (rules.size() > kAccessRulePerServiceMax)
    table.errors().add(table.origin(), "has " + std::to_string(rules.size()) + " rules",
                       "write at most " + std::to_string(kAccessRulePerServiceMax) + " a service");
  if (!rules.empty()) service.access_rules = std::make_shared<const std::vector<AccessRule>>(std::move(rules));
  table.finish();
}

}  // namespace millrace::config
