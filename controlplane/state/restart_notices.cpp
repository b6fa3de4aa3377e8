#include "controlplane/state/restart_notices.h"

#include <algorithm>

namespace millrace::control {
namespace {

bool same_port(const config::PortConfig& a, const config::PortConfig& b) {
  const auto same_neighbour = [](const config::StaticNeighbour& x, const config::StaticNeighbour& y) {
    return x.addr == y.addr && x.mac == y.mac;
  };
  const auto same_route = [](const config::StaticRoute& x, const config::StaticRoute& y) {
    return x.prefix == y.prefix && x.prefix_bits == y.prefix_bits && x.gateway == y.gateway;
  };
  return a.name == b.name && a.device() == b.device() && a.vlan == b.vlan && a.interface == b.interface &&
         a.queues == b.queues && a.steering == b.steering &&
         std::ranges::equal(a.neighbours, b.neighbours, same_neighbour) &&
         std::ranges::equal(a.routes, b.routes, same_route);
}

}  // namespace

std::vector<std::string> restart_notices(const config::Config& running, const config::Config& loaded) {
  const config::DataplaneConfig& a = running.dataplane;
  const config::DataplaneConfig& b = loaded.dataplane;
  std::vector<std::string> notices;
  const auto notice = [&](bool same, const char* key, const char* process) {
    if (!same) notices.push_back(std::string(key) + " changed: restart " + process + " to put it in force");
  };
  notice(a.workers == b.workers, "[dataplane] workers", "millrace-dataplane");
  notice(a.connections == b.connections, "[dataplane] connections", "millrace-dataplane");
  notice(a.proxy == b.proxy, "[dataplane] proxy", "millrace-dataplane");
  notice(a.punt_rate == b.punt_rate, "[dataplane] punt_rate", "millrace-dataplane");
  notice(a.reta == b.reta, "[dataplane] reta", "millrace-dataplane");
  notice(std::ranges::equal(a.ports, b.ports, same_port), "[[dataplane.port]]", "millrace-dataplane");
  notice(a.segment == b.segment, "[dataplane] segment", "millrace-dataplane and millraced");
  notice(running.api.enabled == loaded.api.enabled, "[api] enabled", "millraced");
  notice(running.api.socket == loaded.api.socket, "[api] socket", "millraced");
  notice(running.api.bind == loaded.api.bind && running.api.tls == loaded.api.tls &&
             running.api.cors == loaded.api.cors && running.api.basic_auth == loaded.api.basic_auth &&
             running.api.tokens == loaded.api.tokens,
         "[api] over TCP", "millraced");
  notice(running.api.history_dir == loaded.api.history_dir, "[api] history_dir", "millraced");
  notice(running.api.watch_file == loaded.api.watch_file, "[api] watch_file", "millraced");
  notice(running.metrics.enabled == loaded.metrics.enabled, "[metrics] enabled", "millraced");
  notice(running.metrics.bind == loaded.metrics.bind, "[metrics] bind", "millraced");
  const config::LoggingConfig& log = running.logging;
  notice(log.output == loaded.logging.output && log.json == loaded.logging.json, "[logging] output and format",
         "millraced");
  return notices;
}

}  // namespace millrace::control
