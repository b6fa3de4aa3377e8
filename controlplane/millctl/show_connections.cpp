#include <fmt/format.h>

#include <algorithm>

#include "controlplane/millctl/show.h"
#include "controlplane/millctl/table.h"

namespace millrace::millctl {

std::string show_connections(const Json& body) {
  if (field(body, "connected") != "true") return "no dataplane is connected\n";
  if (body.contains("count")) return field(body, "count") + "\n";
  Table table({{"SERVICE"},
               {"PROTO"},
               {"STATE"},
               {"CLIENT"},
               {"VIP"},
               {"SNAT"},
               {"BACKEND"},
               {"WORKER", Align::right},
               {"AGE", Align::right},
               {"IDLE", Align::right}});
  const auto rows = body.find("connections");
  if (rows == body.end()) return "";
  for (const Json& row : *rows) {
    const uint64_t idle_ms = std::min(number(row, "client_idle_ms"), number(row, "backend_idle_ms"));
    table.add({field(row, "service"), field(row, "protocol"), field(row, "state"), field(row, "client"),
               field(row, "vip"), field(row, "mode") == "nat" ? "-" : field(row, "snat"), field(row, "backend"),
               field(row, "worker"), format_duration_ms(number(row, "age_ms")), format_duration_ms(idle_ms)});
  }
  if (table.empty()) return "no connections\n";
  std::string text = table.text();
  if (field(body, "complete") != "true")
    text += fmt::format("the first {}; --limit shows more, --count counts them all\n", rows->size());
  return text;
}

}  // namespace millrace::millctl
