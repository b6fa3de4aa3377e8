// access_table.cpp: [servers.NAME.access], and the file that holds a long list of rules.
#include <filesystem>

#include "controlplane/config/tables.h"
#include "controlplane/config/text_file.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

constexpr unsigned kFileErrorsMax = 10;  // of one file; more would only say that it is the wrong one

Parsed<AccessRule> parse_access_rule(std::string_view text) {
  const std::vector<std::string_view> words = split_words(text);
  if (words.size() != 2 || (words[0] != "allow" && words[0] != "deny"))
    return {quote(text) + " is not a rule", "write allow or deny and a prefix, such as \"deny 192.0.2.0/24\""};
  Parsed<Prefix> network = parse_network(words[1]);
  if (!network.value) return {std::move(network.problem), std::move(network.remedy)};
  return AccessRule{network.value->addr, network.value->bits,
                    words[0] == "allow" ? AccessAction::allow : AccessAction::deny};
}

// Without what follows a #, and without blanks around it.
std::string_view strip(std::string_view line) {
  line = line.substr(0, line.find('#'));
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlank) + 1 - first);
}

void read_rules_file(const Text& path, ErrorList& errors, std::vector<AccessRule>& rules) {
  // Neither a pipe nor a device: nothing that might never end.
  std::error_code error;
  if (std::filesystem::exists(path.text, error) && !std::filesystem::is_regular_file(path.text, error))
    return errors.add(path.origin, quote(path.text) + " is not a file", "name a file with one rule a line");
  const TextFile file = read_text_file(path.text);
  if (!file.text)
    return errors.add(path.origin, quote(path.text) + " " + file.problem, "name a file that both processes may read");
  unsigned wrong = 0;
  uint32_t number = 0;
  for (std::string_view rest = *file.text; !rest.empty() && wrong < kFileErrorsMax;) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = strip(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.empty()) continue;
    Parsed<AccessRule> rule = parse_access_rule(line);
    if (rule.value) {
      rules.push_back(*rule.value);
    } else {
      ++wrong;
      errors.add(path.origin, "line " + std::to_string(number) + " of " + quote(path.text) + ": " + rule.problem,
                 std::move(rule.remedy));
    }
  }
}

}  // namespace

void read_access_table(TableReader& table, ServiceConfig& service) {
  static constexpr Choice<AccessAction> kActions[] = {{"allow", AccessAction::allow}, {"deny", AccessAction::deny}};
  service.access_default = table.read_choice("default", kActions).value_or(AccessAction::allow);
  std::vector<AccessRule> rules;
  bool complete = true;
  for (const Text& text : table.read_texts("rules", complete)) {
    Parsed<AccessRule> rule = parse_access_rule(text.text);
    if (rule.value)
      rules.push_back(*rule.value);
    else
      table.errors().add(text.origin, std::move(rule.problem), std::move(rule.remedy));
  }
  const Origin file_origin = table.origin_of("rules_file");
  if (std::optional<std::string> path = table.read_path("rules_file"))
    read_rules_file({std::move(*path), file_origin}, table.errors(), rules);
  if (rules.size() > kAccessRulePerServiceMax)
    table.errors().add(table.origin(), "has " + std::to_string(rules.size()) + " rules",
                       "write at most " + std::to_string(kAccessRulePerServiceMax) + " a service");
  if (!rules.empty()) service.access_rules = std::make_shared<const std::vector<AccessRule>>(std::move(rules));
  table.finish();
}

}  // namespace millrace::config
