// blocklist_table.cpp: [blocklist]: whose packets to VIPs are dropped.
#include "controlplane/config/list_file.h"
#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

Parsed<BlockedPrefix> parse_blocked_prefix(std::string_view text) {
  Parsed<Prefix> network = parse_network(text);
  if (!network.value) return {std::move(network.problem), std::move(network.remedy)};
  return BlockedPrefix{network.value->addr, network.value->bits};
}

}  // namespace

void read_blocklist_table(TableReader& table, Config& config) {
  std::vector<BlockedPrefix> prefixes = read_list(table, "prefixes", "file", "prefix", parse_blocked_prefix);
  if (prefixes.size() > kBlockedPrefixMax)
    table.errors().add(table.origin(), "has " + std::to_string(prefixes.size()) + " prefixes",
                       "write at most " + std::to_string(kBlockedPrefixMax) + "; neighbouring ones can be joined");
  if (!prefixes.empty()) config.blocklist = std::make_shared<const std::vector<BlockedPrefix>>(std::move(prefixes));
  table.finish();
}

}  // namespace millrace::config
