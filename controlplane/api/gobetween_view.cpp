// gobetween_view.cpp: what gobetween's API says, with its field names and meanings: rx is what comes from clients.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "controlplane/api/views.h"
#include "controlplane/config/document.h"
#include "controlplane/link/live_slots.h"

namespace millrace::control {
namespace {

Json table_at(const config::Document& document, std::initializer_list<std::string_view> path) {
  const toml::node* node = &document.root;
  for (const std::string_view key : path) {
    const toml::table* table = node->as_table();
    node = table == nullptr ? nullptr : table->get(key);
    if (node == nullptr) return Json::object();
  }
  const toml::table* table = node->as_table();
  return table == nullptr ? Json::object() : config::to_json(config::without_secrets(*table));
}

void set_default(Json& object, const char* key, Json value) {
  if (!object.contains(key)) object[key] = std::move(value);
}

// A server of the file with gobetween's keys filled in where they are not written, as its own API shows them.
Json with_defaults(Json server, const Json& defaults) {
  set_default(server, "protocol", "tcp");
  set_default(server, "balance", "weight");
  set_default(server, "max_connections", defaults.value("max_connections", Json(0)));
  for (const char* key : {"client_idle_timeout", "backend_idle_timeout", "backend_connection_timeout"})
    set_default(server, key, defaults.value(key, Json("0")));
  for (const char* key : {"sni", "tls", "backends_tls", "udp", "access", "proxy_protocol"})
    set_default(server, key, nullptr);
  set_default(server, "healthcheck", {{"kind", "none"}, {"interval", "0"}, {"timeout", "0"}});
  return server;
}

uint64_t rounded(double value) { return static_cast<uint64_t>(value + 0.5); }

std::string iso_time(std::time_t time) { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time)); }

Json backend_stats(const Daemon& daemon, const LiveSlots& slots, const BackendKey& key, const DesiredBackend& backend) {
  BackendLive live;
  Bandwidth bandwidth;
  if (const BackendRow* row = slots.find(key)) {
    live = sum_backend(*slots.segment(), row->slot);
    bandwidth = daemon.bandwidth().of(row->slot);
  }
  return {{"live", backend.health == Health::up},
          {"discovered", true},
          {"total_connections", live.connections},
          {"active_connections", live.active},
          {"refused_connections", live.connect_failures},
          {"rx", live.forward_bytes},
          {"tx", live.reverse_bytes},
          {"rx_second", rounded(bandwidth.forward_bytes)},
          {"tx_second", rounded(bandwidth.reverse_bytes)}};
}

}  // namespace

Json gobetween_info(const Daemon& daemon) {
  const std::time_t now = std::time(nullptr);
  const auto uptime_s = static_cast<std::time_t>(daemon.uptime_ms() / 1000);
  Json place;
  for (const auto& [key, value] : daemon.place().about()) place[key] = value;
  return {{"pid", getpid()},
          {"time", iso_time(now)},
          {"startTime", iso_time(now - uptime_s)},
          {"uptime", fmt::format("{}h{}m{}s", uptime_s / 3600, uptime_s / 60 % 60, uptime_s % 60)},
          {"version", MR_VERSION},
          {"configuration", std::move(place)}};
}

Json gobetween_server(const Daemon& daemon, const std::string& name) {
  const std::shared_ptr<const config::Document> document = daemon.config().document;
  if (!document || find_service(daemon.desired(), name) == nullptr) return nullptr;
  return with_defaults(table_at(*document, {"servers", name}), table_at(*document, {"defaults"}));
}

Json gobetween_servers(const Daemon& daemon) {
  Json servers = Json::object();
  for (const DesiredService& service : daemon.desired().services)
    servers[service.name] = gobetween_server(daemon, service.name);
  return servers;
}

Json gobetween_stats(const Daemon& daemon, const std::string& name) {
  const DesiredService* service = find_service(daemon.desired(), name);
  if (service == nullptr) return nullptr;
  const LiveSlots slots(daemon.link().segment(), name);
  uint64_t active = 0;
  uint64_t sums[4] = {};
  const char* const names[4] = {"rx", "tx", "rx_second", "tx_second"};
  Json backends = Json::array();
  for (const DesiredBackend& backend : service->backends) {
    Json stats = backend_stats(daemon, slots, BackendKey(name, backend.endpoint), backend);
    active += stats["active_connections"].get<uint64_t>();
    for (size_t i = 0; i < 4; ++i) sums[i] += stats[names[i]].get<uint64_t>();
    backends.push_back({{"host", format_ip(backend.endpoint.addr)},
                        {"port", std::to_string(backend.endpoint.port.host())},
                        {"priority", backend.priority},
                        {"weight", backend.weight},
                        {"sni", backend.host},
                        {"stats", std::move(stats)}});
  }
  return {{"active_connections", active}, {"rx_total", sums[0]},  {"tx_total", sums[1]},
          {"rx_second", sums[2]},         {"tx_second", sums[3]}, {"backends", std::move(backends)}};
}

}  // namespace millrace::control
