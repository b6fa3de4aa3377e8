#include <fmt/format.h>

#include "controlplane/millctl/show.h"
#include "controlplane/millctl/table.h"

namespace millrace::millctl {
namespace {

// Four digits tell 0.1% from nothing.
std::string percent(const Json& row, const char* key) {
  return field(row, key) == "-" ? "-" : fmt::format("{:.2f}%", 100 * real(row, key));
}

// 0 where the device has none.
std::string size_or_dash(const Json& row, const char* key) { return number(row, key) == 0 ? "-" : field(row, key); }

std::string show_ports(const Json& ports) {
  Table table({{"PORT"},
               {"DEVICE"},
               {"VLAN", Align::right},
               {"STEERING"},
               {"QUEUES", Align::right},
               {"KEY", Align::right},
               {"TABLE", Align::right},
               {"PACKET/S", Align::right},
               {"HANDED OVER", Align::right},
               {"SINCE START", Align::right},
               {"WHY"}});
  for (const Json& row : ports) {
    const Json& now = part(row, "now");
    table.add({field(row, "port"), field(row, "device"), size_or_dash(row, "vlan"), field(row, "steering"),
               field(row, "queues"), size_or_dash(row, "rss_key_bytes"), size_or_dash(row, "reta_size"),
               now.empty() ? "-" : format_rate(real(now, "rx_packets_per_s")), percent(now, "handed_over_share"),
               percent(row, "handed_over_share"), field(row, "sentence")});
  }
  return table.text();
}

std::string show_workers(const Json& workers) {
  Table table({{"WORKER", Align::right},
               {"CPU", Align::right},
               {"BUSY", Align::right},
               {"PACKET/S", Align::right},
               {"RECEIVED/S", Align::right},
               {"HANDED IN/S", Align::right},
               {"HANDED OUT/S", Align::right}});
  for (const Json& row : workers)
    table.add({field(row, "worker"), field(row, "cpu"), fmt::format("{:.1f}%", 100 * real(row, "busy_ratio")),
               format_rate(real(row, "load_packets_per_s")), format_rate(real(row, "rx_packets_per_s")),
               format_rate(real(row, "handed_in_per_s")), format_rate(real(row, "handed_out_per_s"))});
  return table.text();
}

}  // namespace

std::string show_steering(const Json& body) {
  if (field(body, "connected") != "true") return "no dataplane is connected\n";
  std::string text = show_ports(part(body, "ports")) + "\n" + show_workers(part(body, "workers"));
  if (field(body, "skew") != "-")
    text += fmt::format("\nskew {:.2f}: the busiest worker by the mean\n", real(body, "skew"));
  return text;
}

}  // namespace millrace::millctl
