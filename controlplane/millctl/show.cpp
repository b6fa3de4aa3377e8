#include "controlplane/millctl/show.h"

#include <fmt/format.h>

#include "controlplane/millctl/table.h"

namespace millrace::millctl {
namespace {

const Json kNothing = Json::object();

std::string of(const Json& object, const char* count, const char* total) {
  return fmt::format("{} of {}", field(object, count), field(object, total));
}

std::string show_dataplane(const Json& dataplane) {
  if (field(dataplane, "connected") != "true") return "absent: " + field(dataplane, "problem");
  return fmt::format("{}, pid {}, up {}, heartbeat {} ms ago", field(dataplane, "state"), field(dataplane, "pid"),
                     format_duration_s(number(dataplane, "uptime_s")), field(dataplane, "heartbeat_age_ms"));
}

std::string show_config(const Json& config) {
  std::string text = field(config, "state");
  if (config.contains("generation_configured"))
    text += fmt::format(", generation {} configured, {} applied", field(config, "generation_configured"),
                        field(config, "generation_applied"));
  const Json& rejection = part(config, "rejection");
  if (!rejection.empty())
    text += fmt::format("\n               generation {} rejected: {}: {} ({})", field(rejection, "generation"),
                        field(rejection, "item"), field(rejection, "sentence"), field(rejection, "reason"));
  return text;
}

std::string show_rates(const Json& rates) {
  return fmt::format("{}packet/s in, {}packet/s out, {}bit/s in, {}bit/s out, {}conn/s",
                     format_rate(real(rates, "rx_packets_per_s")), format_rate(real(rates, "tx_packets_per_s")),
                     format_rate(real(rates, "rx_bits_per_s")), format_rate(real(rates, "tx_bits_per_s")),
                     format_rate(real(rates, "connections_per_s")));
}

std::string show_workers(const Json& workers) {
  Table table({{"WORKER", Align::right},
               {"CPU", Align::right},
               {"BUSY", Align::right},
               {"PACKET/S IN", Align::right},
               {"PACKET/S OUT", Align::right},
               {"BIT/S IN", Align::right},
               {"BIT/S OUT", Align::right},
               {"CONN/S", Align::right},
               {"DROP/S", Align::right}});
  for (const Json& row : workers)
    table.add({field(row, "worker"), field(row, "cpu"), fmt::format("{:.1f}%", 100 * real(row, "busy_ratio")),
               format_rate(real(row, "rx_packets_per_s")), format_rate(real(row, "tx_packets_per_s")),
               format_rate(real(row, "rx_bits_per_s")), format_rate(real(row, "tx_bits_per_s")),
               format_rate(real(row, "connections_per_s")), format_rate(real(row, "drops_per_s"))});
  return table.text();
}

std::string show_blocklist(const Json& blocklist) {
  std::string text = field(blocklist, "prefixes") + " prefixes";
  if (blocklist.contains("packets"))
    text += fmt::format(", {} packets dropped, {} of them by XDP programs", field(blocklist, "packets"),
                        field(blocklist, "packets_in_xdp"));
  return text;
}

std::string show_flow_log(const Json& flows) {
  std::string text = fmt::format("{}: {} lines", field(flows, "output"), field(flows, "written"));
  for (const char* left_out : {"over_rate", "lost", "malformed"})
    if (number(flows, left_out) != 0) text += fmt::format(", {} {}", field(flows, left_out), left_out);
  return text;
}

std::string join(const Json& list, const char* separator) {
  std::string text;
  for (const Json& item : list) text += (text.empty() ? "" : separator) + as_text(item);
  return text;
}

// "840 us", "12.5 ms", "1.2 s"; "-" where nothing was measured.
std::string format_time(const Json& row, const char* key) {
  if (!row.contains(key)) return "-";
  const uint64_t us = number(row, key);
  if (us < 1000) return fmt::format("{} us", us);
  const auto count = static_cast<double>(us);
  return us < 1'000'000 ? fmt::format("{:.1f} ms", count / 1e3) : fmt::format("{:.1f} s", count / 1e6);
}

}  // namespace

std::string as_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string field(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? "-" : as_text(*found);
}

const Json& part(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

uint64_t number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

double real(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string show_status(const Json& body) {
  const Json& control = part(body, "control");
  std::string text;
  const auto line = [&](const char* title, const std::string& value) {
    text += fmt::format("{:<15}{}\n", title, value);
  };
  line("control plane", fmt::format("millraced {}, pid {}, up {}, {}", field(body, "version"), field(control, "pid"),
                                    format_duration_s(number(control, "uptime_s")), field(control, "file")));
  line("dataplane", show_dataplane(part(body, "dataplane")));
  line("configuration", show_config(part(body, "config")));
  const Json& reload = part(body, "last_reload");
  if (field(reload, "accepted") == "true") line("last reload", "accepted");
  if (field(reload, "accepted") == "false") line("last reload", "refused: " + join(part(reload, "errors"), "; "));
  if (body.contains("unconfirmed"))
    line("on trial", fmt::format("goes back in {} unless millctl confirm comes",
                                 format_duration_s(number(body["unconfirmed"], "seconds_left"))));
  line("services", of(part(body, "services"), "up", "total") + " up");
  line("backends", of(part(body, "backends"), "up", "total") + " take new connections");
  if (body.contains("connections")) line("connections", of(body["connections"], "used", "capacity"));
  const Json& blocklist = part(body, "blocklist");
  if (number(blocklist, "prefixes") + number(blocklist, "packets") != 0) line("blocklist", show_blocklist(blocklist));
  if (body.contains("flow_log")) line("flow log", show_flow_log(body["flow_log"]));
  if (body.contains("drops_total")) line("drops", field(body, "drops_total") + " packets (millctl drops says why)");
  if (body.contains("rates")) line("rates", show_rates(body["rates"]));
  if (body.contains("workers")) text += "\n" + show_workers(body["workers"]);
  return text;
}

std::string show_services(const Json& body) {
  Table table({{"SERVICE"},
               {"STATE"},
               {"BACKENDS UP", Align::right},
               {"PROTOCOL"},
               {"MODE"},
               {"SYN PROXY"},
               {"BALANCE"},
               {"ACTIVE", Align::right},
               {"CONNECTIONS", Align::right},
               {"REFUSED", Align::right},
               {"DENIED", Align::right},
               {"LIMITED", Align::right},
               {"EVICTED", Align::right},
               {"SYN FLOODS", Align::right},
               {"BIND"}});
  for (const Json& row : part(body, "services")) {
    const Json& backends = part(row, "backends");
    uint64_t refused = 0;
    for (const char* reason : {"no_backend", "no_snat_port", "no_slot", "refused", "backends_full", "service_full"})
      refused += number(row, reason);
    table.add({field(row, "service"), field(row, "up") == "true" ? "up" : "down",
               fmt::format("{}/{}", field(backends, "up"), field(backends, "total")), field(row, "protocol"),
               field(row, "mode"), field(row, "syn_proxy"), field(row, "balance"), field(row, "active"),
               field(row, "connections"), row.contains("active") ? std::to_string(refused) : "-", field(row, "denied"),
               field(row, "limited"), field(row, "evicted"), field(row, "syn_floods"), join(part(row, "bind"), ", ")});
  }
  return table.text();
}

std::string show_backends(const Json& body) {
  Table table({{"SERVICE"},
               {"BACKEND"},
               {"HEALTH"},
               {"ADMIN"},
               {"WEIGHT", Align::right},
               {"PRIORITY", Align::right},
               {"ACTIVE", Align::right},
               {"CONNECTIONS", Align::right},
               {"TO BACKEND", Align::right},
               {"FROM BACKEND", Align::right},
               {"FAILED", Align::right},
               {"CONNECT P50", Align::right},
               {"P99", Align::right},
               {"CAUSE"}});
  for (const Json& row : part(body, "backends")) {
    const bool live = row.contains("active");
    table.add({field(row, "service"), field(row, "backend"), field(row, "health"), field(row, "admin"),
               field(row, "weight"), field(row, "priority"), field(row, "active"), field(row, "connections"),
               live ? format_bytes(number(row, "forward_bytes")) : "-",
               live ? format_bytes(number(row, "reverse_bytes")) : "-", field(row, "connect_failures"),
               format_time(row, "connect_p50_us"), format_time(row, "connect_p99_us"),
               row.contains("cause") ? field(row, "cause") : ""});
  }
  return table.text();
}

std::string show_backend(const Json& body) {
  return fmt::format("{} of {}: {}, weight {}, health {}{}\n", field(body, "backend"), field(body, "service"),
                     field(body, "admin"), field(body, "weight"), field(body, "health"),
                     field(body, "dataplane") == "sent" ? "" : " (the dataplane will hear of it when it is there)");
}

std::string show_drops(const Json& body) {
  if (field(body, "connected") != "true") return "no dataplane is connected\n";
  Table table({{"REASON"}, {"PACKETS", Align::right}, {"MEANING"}});
  for (const Json& row : part(body, "drops"))
    if (number(row, "packets") != 0) table.add({field(row, "reason"), field(row, "packets"), field(row, "sentence")});
  return table.empty() ? "no packet was dropped\n" : table.text();
}

std::string show_counters(const Json& body) {
  if (field(body, "connected") != "true") return "no dataplane is connected\n";
  const Json& workers = part(body, "workers");
  std::vector<Column> columns = {{"COUNTER"}};
  for (const Json& worker : workers) columns.push_back({"WORKER " + field(worker, "worker"), Align::right});
  Table table(columns);
  if (workers.empty()) return table.text();
  for (const auto& [name, value] : workers.front().items()) {
    if (name == "worker" || !value.is_number()) continue;
    std::vector<std::string> cells = {name};
    for (const Json& worker : workers) cells.push_back(field(worker, name.c_str()));
    table.add(std::move(cells));
  }
  return table.text();
}

std::string show_change(const Json& body) {
  std::string text = "done";
  const std::string dataplane = body.is_object() ? field(body, "dataplane") : "";
  if (dataplane == "waiting") text += "; the dataplane is not connected and will get it when it is";
  if (dataplane == "sending") text += "; the dataplane has not answered yet, see millctl status";
  text += "\n";
  if (body.is_object())
    for (const Json& notice : part(body, "notices")) text += "notice: " + as_text(notice) + "\n";
  return text;
}

std::string show_changes(const Json& body) {
  const std::string changed = join(part(body, "changed"), ", ");
  const std::string removed = join(part(body, "removed"), ", ");
  std::string tuned;
  for (const auto& [name, value] : part(body, "tuned").items())
    tuned += fmt::format("{}{} = {}", tuned.empty() ? "" : ", ", name, as_text(value));
  if (changed.empty() && removed.empty() && tuned.empty()) return "services and settings are as the file has them\n";
  std::string text;
  if (!changed.empty()) text += "changed: " + changed + "\n";
  if (!removed.empty()) text += "removed: " + removed + "\n";
  if (!tuned.empty()) text += "tuned: " + tuned + "\n";
  return text + "kept in: " + field(body, "file") + " (millctl changes --drop goes back to the file)\n";
}

std::string show_reload(const Json& body) {
  const std::string dataplane = field(body, "dataplane");
  std::string text = "reloaded";
  if (dataplane == "waiting") text += "; the dataplane is not connected and will get it when it is";
  if (dataplane == "sending") text += "; the dataplane has not answered yet, see millctl status";
  text += "\n";
  for (const Json& notice : part(body, "notices")) text += "notice: " + as_text(notice) + "\n";
  return text;
}

}  // namespace millrace::millctl
