#include <algorithm>
#include <unordered_set>

#include "controlplane/api/views.h"
#include "controlplane/link/live_counters.h"
#include "controlplane/link/live_histograms.h"
#include "controlplane/link/live_slots.h"
#include "millrace/mode_name.h"

namespace millrace::control {
namespace {

const char* syn_proxy_name(SynProxy syn_proxy) {
  switch (syn_proxy) {
    case SynProxy::off:
      return "off";
    case SynProxy::automatic:
      return "auto";
    case SynProxy::on:
      return "on";
  }
  return "unknown";
}

const char* health_name(Health health) { return health == Health::up ? "up" : "down"; }

const char* balance_name(Balance balance) {
  switch (balance) {
    case Balance::roundrobin:
      return "roundrobin";
    case Balance::weight:
      return "weight";
    case Balance::leastconn:
      return "leastconn";
    case Balance::maglev:
      return "maglev";
    case Balance::leastbandwidth:
      return "leastbandwidth";
    case Balance::iphash:
      return "iphash";
    case Balance::iphash1:
      return "iphash1";
    case Balance::random:
      return "random";
    case Balance::p2c:
      return "p2c";
    case Balance::fastest:
      return "fastest";
  }
  return "unknown";
}

void add_live(Json& view, const Segment& segment, BackendSlot slot) {
  const BackendLive live = sum_backend(segment, slot);
  view["active"] = live.active;
  view["connections"] = live.connections;
  view["forward_packets"] = live.forward_packets;
  view["reverse_packets"] = live.reverse_packets;
  view["forward_bytes"] = live.forward_bytes;
  view["reverse_bytes"] = live.reverse_bytes;
  view["connect_failures"] = live.connect_failures;
  view["resets"] = live.resets;
  const HandshakesLive handshakes = sum_handshakes(segment, slot);
  if (const auto p50_us = handshakes.quantile_us(0.5)) view["connect_p50_us"] = *p50_us;
  if (const auto p99_us = handshakes.quantile_us(0.99)) view["connect_p99_us"] = *p99_us;
}

// Why it gets less than everything, as far as that is not the operator's will; empty when nothing is known.
std::string cause_of(const DesiredBackend& backend, const CheckState* check, const CircuitBreaker* breaker) {
  if (!backend.reachable) return "no address of this host leads there";
  const bool open = breaker != nullptr && breaker->state() == BreakerState::open;
  const bool half_open = breaker != nullptr && breaker->state() == BreakerState::half_open;
  std::string cause = open ? "ejected: " + breaker->cause() : half_open ? "on trial after " + breaker->cause() : "";
  if (check == nullptr || check->cause.empty()) return cause;
  return cause.empty() ? check->cause : cause + "; " + check->cause;
}

Json backend_row(const Daemon& daemon, const LiveSlots& slots, const std::string& service,
                 const DesiredBackend& backend) {
  const BackendKey key(service, backend.endpoint);
  Json view;
  view["service"] = service;
  view["backend"] = format_endpoint(backend.endpoint);
  view["health"] = health_name(backend.health);
  view["admin"] = admin_name(backend.admin);
  view["weight"] = backend.weight;
  view["priority"] = backend.priority;
  if (backend.connections_max != 0) view["max_connections"] = backend.connections_max;
  if (!backend.host.empty()) view["sni"] = backend.host;
  if (backend.proxy_protocol != ProxyProtocol::none)
    view["proxy_protocol"] = static_cast<unsigned>(backend.proxy_protocol);
  const CheckState* check = daemon.health().find(key);
  view["checked"] = check != nullptr;
  const CircuitBreaker* breaker = daemon.passive_health().find(key);
  if (breaker != nullptr) {
    view["breaker"] = breaker_name(breaker->state());
    view["ejections"] = breaker->ejections();
  }
  if (std::string cause = cause_of(backend, check, breaker); !cause.empty()) view["cause"] = std::move(cause);
  if (const BackendRow* row = slots.find(key)) add_live(view, *slots.segment(), row->slot);
  return view;
}

// Times of seconds since 1970; what never happened is not there.
Json discovery_row(const config::DiscoveryConfig& discovery, const DiscoveryStatus* status) {
  Json view = {{"kind", discovery_kind_name(discovery)}};
  if (status == nullptr) return view;
  view["found"] = status->found;
  view["asked"] = status->asked;
  view["failed"] = status->failed;
  view["unbelieved"] = status->unbelieved;
  if (status->asked_at != 0) view["asked_at"] = status->asked_at;
  if (status->answered_at != 0) view["answered_at"] = status->answered_at;
  if (status->failed_at == 0) return view;
  view["failed_at"] = status->failed_at;
  view["failing"] = status->fails_in_row != 0;
  view["failure"] = status->failure;
  return view;
}

Json service_row(const Daemon& daemon, const LiveSlots& slots, const DesiredService& service) {
  const auto& services = daemon.config().services;
  const auto config = std::ranges::find(services, service.name, &config::ServiceConfig::name);
  const auto up = std::ranges::count_if(service.backends, &DesiredBackend::eligible);
  Json view;
  view["service"] = service.name;
  view["up"] = service.up();
  view["protocol"] = proto_name(service.proto);
  view["mode"] = mode_name(service.mode);
  if (service.proto == Proto::tcp && service.mode != Mode::proxy && !is_direct(service.mode))
    view["syn_proxy"] = syn_proxy_name(service.syn_proxy);
  if (service.mode == Mode::tunnel) view["encapsulation"] = encapsulation_name(service.encapsulation);
  if (service.encapsulation == Encapsulation::gue) view["gue_port"] = service.gue_port;
  if (is_direct(service.mode) && service.proto == Proto::tcp) view["mss_clamp"] = service.mss_clamp != 0;
  view["balance"] = balance_name(service.balance);
  if (service.connections_max != 0) view["max_connections"] = service.connections_max;
  if (service.slow_start_ms != 0) view["slow_start_ms"] = service.slow_start_ms;
  if (service.udp_requests_max != 0) view["max_requests"] = service.udp_requests_max;
  if (service.udp_responses_max != 0) view["max_responses"] = service.udp_responses_max;
  if (config != services.end() && !config->pool.empty()) view["snat"] = config->pool;
  if (service.access_rules || service.access_default == AccessAction::deny)
    view["access"] = {{"default", service.access_default == AccessAction::allow ? "allow" : "deny"},
                      {"rules", service.access_rules ? service.access_rules->size() : 0}};
  const std::pair<const char*, uint32_t> rates[] = {{"connection_rate", service.connection_rate},
                                                    {"packet_rate", service.packet_rate},
                                                    {"source_connection_rate", service.source_connection_rate},
                                                    {"source_packet_rate", service.source_packet_rate}};
  for (const auto& [name, rate] : rates)
    if (rate != 0) view[name] = rate;
  if (config != services.end())
    view["discovery"] = discovery_row(config->discovery, daemon.discovery().find(service.name));
  Json binds = Json::array();
  for (const Endpoint& bind : service.binds) binds.push_back(format_endpoint(bind));
  view["bind"] = std::move(binds);
  view["backends"] = {{"total", service.backends.size()}, {"up", up}};
  if (const auto panics = daemon.passive_health().panics(service.name)) view["ejection_panics"] = *panics;
  const std::optional<ServiceSlot> slot = slots.find_service(service.name);
  if (!slot) return view;
  const ServiceLive live = sum_service(*slots.segment(), *slot);
  view["active"] = live.active;
  view["connections"] = live.connections;
  view["no_backend"] = live.no_backend;
  view["no_snat_port"] = live.no_snat_port;
  view["no_slot"] = live.no_slot;
  view["refused"] = live.refused;
  view["syn_floods"] = live.syn_floods;
  view["backends_full"] = live.backends_full;
  view["service_full"] = live.service_full;
  view["sessions_moved"] = live.sessions_moved;
  view["denied"] = live.denied;
  view["evicted"] = live.evicted;
  view["limited"] = live.limited;
  return view;
}

}  // namespace

const char* proto_name(Proto proto) { return proto == Proto::tcp ? "tcp" : "udp"; }

const char* encapsulation_name(Encapsulation encapsulation) {
  switch (encapsulation) {
    case Encapsulation::none:
      return "none";
    case Encapsulation::ip:
      return "ip";
    case Encapsulation::gue:
      return "gue";
  }
  return "unknown";
}

const char* admin_name(Admin admin) {
  switch (admin) {
    case Admin::enabled:
      return "enabled";
    case Admin::drain:
      return "drain";
    case Admin::disabled:
      return "disabled";
  }
  return "unknown";
}

Json services_view(const Daemon& daemon) {
  const LiveSlots slots(daemon.link().segment());
  Json rows = Json::array();
  for (const DesiredService& service : daemon.desired().services) rows.push_back(service_row(daemon, slots, service));
  return {{"services", std::move(rows)}};
}

Json service_view(const Daemon& daemon, const std::string& name) {
  const DesiredService* service = find_service(daemon.desired(), name);
  if (service == nullptr) return nullptr;
  return service_row(daemon, LiveSlots(daemon.link().segment(), name), *service);
}

Json backends_view(const Daemon& daemon, const std::string& service) {
  const LiveSlots slots(daemon.link().segment(), service);
  Json rows = Json::array();
  std::unordered_set<const BackendRow*> shown;
  for (const DesiredService& of : daemon.desired().services) {
    if (!service.empty() && of.name != service) continue;
    for (const DesiredBackend& backend : of.backends) {
      rows.push_back(backend_row(daemon, slots, of.name, backend));
      shown.insert(slots.find(BackendKey(of.name, backend.endpoint)));
    }
  }
  // What is left has gone from the configuration while connections to it live.
  for (const BackendRow& row : slots.backends()) {
    const std::string& name = slots.service_of(row);
    // Of two with one name the configured one counts.
    const BackendRow* const counts = slots.find(BackendKey(name, row.endpoint));
    if (counts != &row || shown.contains(counts)) continue;
    Json view = {{"service", name}, {"backend", format_endpoint(row.endpoint)}, {"health", "gone"}};
    add_live(view, *slots.segment(), row.slot);
    rows.push_back(std::move(view));
  }
  return {{"backends", std::move(rows)}};
}

Json backend_view(const Daemon& daemon, const BackendKey& key) {
  const DesiredService* service = find_service(daemon.desired(), key.service);
  const DesiredBackend* backend = service == nullptr ? nullptr : find_backend(*service, key.endpoint());
  if (backend == nullptr) return Json::object();
  return backend_row(daemon, LiveSlots(daemon.link().segment(), key.service), key.service, *backend);
}

}  // namespace millrace::control
