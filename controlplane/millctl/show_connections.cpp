#include <fmt/format.h>

#include <algorithm>

#include "controlplane/millctl/show.h"
#include "controlplane/millctl/table.h"

namespace millrace::millctl {
namespace {

std::string yes_no(const Json& object, const char* key) { return field(object, key) == "true" ? "yes" : "no"; }

std::string show_half(const char* title, const std::string& from, const std::string& to, const Json& half) {
  return fmt::format("    {:<8}{} > {}: timestamps {}, SACK {}, next {}, acknowledged {}\n", title, from, to,
                     yes_no(half, "timestamps"), yes_no(half, "sack"), field(half, "next"), field(half, "acked"));
}

// The two TCP connections of a proxied one, and how the numbers of one become those of the other.
std::string show_splice(const Json& row) {
  const Json& splice = part(row, "splice");
  return show_half("client", field(row, "client"), field(row, "vip"), part(splice, "client")) +
         show_half("backend", field(row, "snat"), field(row, "backend"), part(splice, "backend")) +
         fmt::format(
             "    {:<8}sequence +{} forward, +{} reverse; timestamps +{} forward, +{} reverse; window shift {} "
             "forward, {} reverse\n",
             "splice", field(splice, "forward_seq_delta"), field(splice, "reverse_seq_delta"),
             field(splice, "forward_ts_delta"), field(splice, "reverse_ts_delta"),
             field(splice, "forward_window_shift"), field(splice, "reverse_window_shift")) +
         fmt::format("    {:<8}MSS {}, window scale {}; backends tried {}\n", "", field(splice, "mss"),
                     field(splice, "client_window_scale"), field(splice, "tries"));
}

std::string show(const Json& body, bool verbose) {
  if (field(body, "connected") != "true") return "no dataplane is connected\n";
  if (body.contains("count")) return field(body, "count") + "\n";
  Table table({{"SERVICE"},
               {"PROTO"},
               {"MODE"},
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
    uint64_t idle_ms = number(row, "client_idle_ms");
    if (row.contains("backend_idle_ms")) idle_ms = std::min(idle_ms, number(row, "backend_idle_ms"));
    const std::string mode = field(row, "mode");
    const bool shows_client = mode == "nat" || mode == "dsr";
    table.add({field(row, "service"), field(row, "protocol"), mode, field(row, "state"), field(row, "client"),
               field(row, "vip"), shows_client ? "-" : field(row, "snat"), field(row, "backend"), field(row, "worker"),
               format_duration_ms(number(row, "age_ms")), format_duration_ms(idle_ms)});
    if (verbose && row.contains("splice")) table.add_below(show_splice(row));
  }
  if (table.empty()) return "no connections\n";
  std::string text = table.text();
  if (field(body, "complete") != "true")
    text += fmt::format("the first {}; --limit shows more, --count counts them all\n", rows->size());
  return text;
}

}  // namespace

std::string show_connections(const Json& body) { return show(body, false); }
std::string show_connections_verbose(const Json& body) { return show(body, true); }

}  // namespace millrace::millctl
