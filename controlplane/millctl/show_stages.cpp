#include <fmt/format.h>

#include "controlplane/millctl/show.h"
#include "controlplane/millctl/table.h"

namespace millrace::millctl {
namespace {

std::string figure(const Json& row, const char* key) {
  return field(row, key) == "-" ? "-" : fmt::format("{:.1f}", real(row, key));
}

void add_row(Table& table, const Json& worker, const std::string& name, const Json& row, double share) {
  const bool timed = number(worker, "packets") != 0;
  table.add({field(worker, "worker"), name, figure(row, "cycles_per_packet"), figure(row, "ns_per_packet"),
             timed ? fmt::format("{:.1f}%", 100 * share) : "-", field(row, "packets")});
}

}  // namespace

std::string show_stages(const Json& body) {
  if (field(body, "connected") != "true") return "no dataplane is connected\n";
  Table table({{"WORKER", Align::right},
               {"STAGE"},
               {"CYCLES/PACKET", Align::right},
               {"NS/PACKET", Align::right},
               {"SHARE", Align::right},
               {"PACKETS TIMED", Align::right}});
  const auto workers = body.find("workers");
  if (workers == body.end()) return table.text();
  for (const Json& worker : *workers) {
    if (const auto stages = worker.find("stages"); stages != worker.end())
      for (const Json& stage : *stages) add_row(table, worker, field(stage, "stage"), stage, real(stage, "share"));
    add_row(table, worker, "all", worker, 1);
  }
  return table.text();
}

}  // namespace millrace::millctl
