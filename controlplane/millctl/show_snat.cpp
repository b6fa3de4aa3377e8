#include <fmt/format.h>

#include "controlplane/millctl/show.h"
#include "controlplane/millctl/table.h"

namespace millrace::millctl {
namespace {

constexpr double kForecastShownS = 86'400;  // what is further away than a day is no forecast

std::string percent(const Json& row, const char* key) { return fmt::format("{:.1f}%", 100 * real(row, key)); }

std::string forecast(const Json& row) {
  if (field(row, "full_in_s") == "-" || real(row, "full_in_s") > kForecastShownS) return "-";
  return format_duration_s(static_cast<uint64_t>(real(row, "full_in_s")));
}

}  // namespace

std::string show_snat(const Json& body) {
  Table table({{"POOL"},
               {"FAMILY"},
               {"ADDRESSES", Align::right},
               {"PORTS", Align::right},
               {"SERVICES", Align::right},
               {"CONNECTIONS", Align::right},
               {"FULLEST BACKEND"},
               {"IN USE", Align::right},
               {"FULL", Align::right},
               {"PEAK", Align::right},
               {"FULL IN", Align::right},
               {"LEVEL"}});
  for (const Json& row : part(body, "pools")) {
    const Json& fullest = part(row, "fullest");
    table.add({field(row, "pool"), field(row, "family"), field(row, "addresses"), field(row, "ports"),
               std::to_string(part(row, "services").size()), field(row, "connections"), field(fullest, "backend"),
               field(fullest, "in_use"), percent(row, "share"), percent(row, "peak"), forecast(row),
               field(row, "level")});
  }
  if (table.empty()) return "there is no SNAT pool\n";
  const bool connected = field(body, "connected") == "true";
  return table.text() + (connected ? "" : "\nno dataplane is connected\n");
}

}  // namespace millrace::millctl
