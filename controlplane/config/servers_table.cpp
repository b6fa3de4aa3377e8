// servers_table.cpp: [servers.NAME]: one service each.
#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

// What idle connections get when nobody says otherwise: RFC 5382 REQ-5 (2 h 4 min), RFC 4787 REQ-5 (5 min).
constexpr uint32_t kTcpIdleTimeoutMs = (2 * 60 + 4) * 60 * kSecondMs;
constexpr uint32_t kUdpIdleTimeoutMs = 5 * 60 * kSecondMs;

void read_binds(TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  const std::vector<Text> texts =
      table.read_texts("bind", "write bind = \"203.0.113.10:80\" or a list of such", origins.binds_complete);
  if (texts.size() > kBindPerServiceMax) {
    table.errors().add(table.origin_of("bind"), "holds " + std::to_string(texts.size()) + " addresses",
                       "write at most " + std::to_string(kBindPerServiceMax) + " a service");
    origins.binds_complete = false;
    return;
  }
  for (const Text& text : texts) {
    Parsed<Endpoint> endpoint = parse_listen_endpoint(text.text);
    if (endpoint.value && !endpoint.value->addr.is_any())
      if (const std::string_view unfit = unicast_problem(endpoint.value->addr); !unfit.empty())
        endpoint = {quote(text.text) + " " + std::string(unfit),
                    "write an address of the network, or 0.0.0.0 or [::] for every address of the ports"};
    if (endpoint.value) {
      service.binds.push_back(*endpoint.value);
      origins.binds.push_back(text.origin);
    } else {
      table.errors().add(text.origin, std::move(endpoint.problem), std::move(endpoint.remedy));
      origins.binds_complete = false;
    }
  }
}

void read_forwarding(TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  static constexpr Choice<Proto> kProtocols[] = {
      {"tcp", Proto::tcp},
      {"udp", Proto::udp},
      {"tls", std::nullopt,
       "with protocol = \"tcp\" TLS passes through and the backends end it, or HAProxy does: docs/tls.md"}};
  static constexpr Choice<Mode> kModes[] = {{"fullnat", Mode::fullnat},
                                            {"nat", Mode::nat},
                                            {"proxy", Mode::proxy},
                                            {"dsr", Mode::dsr},
                                            {"tunnel", Mode::tunnel}};
  static constexpr Choice<Balance> kBalances[] = {{"roundrobin", Balance::roundrobin},
                                                  {"weight", Balance::weight},
                                                  {"leastconn", Balance::leastconn},
                                                  {"maglev", Balance::maglev},
                                                  {"leastbandwidth", Balance::leastbandwidth},
                                                  {"iphash", Balance::iphash},
                                                  {"iphash1", Balance::iphash1},
                                                  {"random", Balance::random},
                                                  {"p2c", Balance::p2c},
                                                  {"fastest", Balance::fastest}};
  service.proto = table.read_choice("protocol", kProtocols).value_or(Proto::tcp);
  const std::optional<Mode> mode = table.read_choice("mode", kModes);
  origins.mode_known = mode || !table.has("mode");
  service.mode = mode.value_or(Mode::fullnat);
  const Balance by_itself = is_direct(service.mode) ? Balance::maglev : Balance::weight;
  service.balance = table.read_choice("balance", kBalances).value_or(by_itself);
  origins.snat = table.read_text("snat");
}

void read_slow_start(TableReader& table, ServiceConfig& service) {
  const auto written = table.read_duration_ms("slow_start", kSlowStartMsMin, kSlowStartMsMax, true);
  service.slow_start_ms = written.value_or(0);
  if (service.slow_start_ms == 0 || !is_by_client(service.balance)) return;
  table.errors().add(
      table.origin_of("slow_start"),
      "has no meaning where the client's address decides: each client would change its backend twice",
      is_direct(service.mode) ? "remove it" : "remove it, or write balance = \"weight\" or another that does not hash");
}

// The service's own value, else the default's; "0" and nothing at all are the protocol's own.
uint32_t idle_timeout_ms(Proto proto, std::optional<uint32_t> own, std::optional<uint32_t> inherited) {
  const uint32_t written = own ? *own : inherited.value_or(0);
  if (written != 0) return written;
  return proto == Proto::tcp ? kTcpIdleTimeoutMs : kUdpIdleTimeoutMs;
}

void read_service(NamedTable& named, const ConnectionOptions& defaults, Draft& draft) {
  TableReader& table = named.reader;
  ServiceConfig service{.name = named.name};
  ServiceOrigins origins{.service = table.origin()};
  read_binds(table, service, origins);
  read_forwarding(table, service, origins);

  ConnectionOptions own;
  read_connection_options(table, own);
  service.client_idle_timeout_ms =
      idle_timeout_ms(service.proto, own.client_idle_timeout_ms, defaults.client_idle_timeout_ms);
  service.backend_idle_timeout_ms =
      idle_timeout_ms(service.proto, own.backend_idle_timeout_ms, defaults.backend_idle_timeout_ms);
  service.connect_timeout_ms = own.backend_connection_timeout_ms ? *own.backend_connection_timeout_ms
                                                                 : defaults.backend_connection_timeout_ms.value_or(0);
  service.connections_max = own.connections_max ? *own.connections_max : defaults.connections_max.value_or(0);
  read_slow_start(table, service);
  read_udp_options(table, service, origins);
  read_proxy_options(table, own, service, origins);
  read_direct_options(table, own, service, origins);
  read_rate_options(table, service);

  if (std::optional<TableReader> access = table.read_table("access")) read_access_table(*access, service);
  if (std::optional<TableReader> healthcheck = table.read_table("healthcheck"))
    read_healthcheck_table(*healthcheck, service.proto, service.healthcheck);
  if (std::optional<TableReader> passive = table.read_table("passive_health"))
    read_passive_health_table(*passive, origins, service);
  if (std::optional<TableReader> discovery = table.read_table("discovery")) {
    read_discovery_table(*discovery, service, origins);
  } else {
    origins.backends_complete = false;
    if (!table.has("discovery"))
      table.report_missing("discovery", "write [servers." + named.name +
                                            ".discovery] with kind = \"static\" and static_list = [\"10.0.0.1:80\"]");
  }
  check_backend_options(table, service, origins);
  check_direct_endpoints(service, origins, table.errors());
  refuse_server_keys(table);
  table.finish();
  draft.config.services.push_back(std::move(service));
  draft.services.push_back(std::move(origins));
}

bool take_known(const std::string& name, Draft& draft) {
  const auto known = draft.known.find(name);
  if (known == draft.known.end()) return false;
  draft.config.services.push_back(draft.before->services[known->second]);
  draft.services.push_back(draft.before->origins[known->second]);
  return true;
}

}  // namespace

void read_servers_table(TableReader& table, const ConnectionOptions& defaults, Draft& draft) {
  bool complete = true;
  std::vector<NamedTable> services = table.read_named_tables(complete);
  for (NamedTable& named : services)
    if (!take_known(named.name, draft)) read_service(named, defaults, draft);
  if (services.size() > kServiceMax)
    table.errors().add(services[kServiceMax].reader.origin(), "is one service too many",
                       "define at most " + std::to_string(kServiceMax));
}

}  // namespace millrace::config
