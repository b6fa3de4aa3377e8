// testbed_tables.cpp: what the main lcore would build of a test's services.
#include <map>

#include "dataplane/pick/pick_tables.h"
#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

HostTable::Targets targets_of(Balance balance, const std::vector<PickCandidate>& candidates) {
  return {build_pick_table(balance, Family::ipv4, candidates), build_pick_table(balance, Family::ipv6, candidates)};
}

std::shared_ptr<const HostTable> make_hosts(const TestService& service, const std::vector<PickCandidate>& candidates) {
  if (service.host_matching == HostMatching::none) return nullptr;
  std::map<std::string, std::vector<PickCandidate>> by_host;
  for (size_t i = 0; i < candidates.size(); ++i) by_host[service.hosts.at(i)].push_back(candidates[i]);
  std::vector<HostTable::Row> rows;
  for (const auto& [host, own] : by_host)
    if (!host.empty())
      rows.push_back({HostPattern::compile(service.host_matching, host).pattern, targets_of(service.balance, own)});
  std::optional<HostTable::Targets> unexpected;
  if (service.unexpected_host == UnexpectedHost::any) unexpected = targets_of(service.balance, candidates);
  if (service.unexpected_host == UnexpectedHost::fallback) unexpected = targets_of(service.balance, by_host[""]);
  return std::make_shared<const HostTable>(service.host_matching, std::move(rows), std::move(unexpected));
}

}  // namespace

std::shared_ptr<const ServiceTables> make_tables(const TestService& service, ServiceSlot slot, BackendSlot first,
                                                 EligibleBackends& eligible) {
  auto tables = std::make_shared<ServiceTables>();
  tables->slot = slot;
  tables->proto = service.proto;
  tables->mode = service.mode;
  tables->balance = service.balance;
  tables->connections_max = service.connections_max;
  tables->udp_requests_max = service.udp_requests_max;
  tables->udp_responses_max = service.udp_responses_max;
  tables->snat_pool = service.mode != Mode::nat && service.mode != Mode::dsr ? uint16_t{0} : kNoSnatPool;
  tables->encapsulation = service.encapsulation;
  tables->gue_port = service.gue_port;
  tables->mss_clamp = service.mss_clamp;
  tables->syn_proxy = service.syn_proxy;
  tables->syn_rate = service.syn_rate;
  tables->connect_timeout_ms = service.connect_timeout_ms;
  tables->client_idle_timeout_ms = service.client_idle_ms;
  tables->backend_idle_timeout_ms = service.backend_idle_ms;
  std::vector<PickCandidate> candidates;
  for (size_t i = 0; i < service.backends.size(); ++i) {
    const Endpoint endpoint = parse_endpoint(service.backends[i]).value();
    const auto backend = static_cast<BackendSlot>(raw(first) + i);
    eligible.set(backend, true);
    candidates.push_back({.target = {.addr = endpoint.addr,
                                     .port = endpoint.port,
                                     .slot = backend,
                                     .proxy_protocol = service.proxy_protocol,
                                     .connections_max = service.backend_connections_max},
                          .eligible = true});
  }
  tables->hello_timeout_ms = service.hello_timeout_ms;
  tables->connection_rate = service.connection_rate;
  tables->packet_rate = service.packet_rate;
  tables->source_connection_rate = service.source_connection_rate;
  tables->source_packet_rate = service.source_packet_rate;
  tables->source_prefix4 = 32;
  tables->source_prefix6 = 64;
  tables->access = compile_access(service.access_default, service.access_rules);
  tables->hosts = make_hosts(service, candidates);
  if (service.mode == Mode::tunnel) {
    tables->ipv4 = tables->ipv6 = build_pick_table(tables->balance, candidates);
  } else {
    tables->ipv4 = build_pick_table(tables->balance, Family::ipv4, candidates);
    tables->ipv6 = build_pick_table(tables->balance, Family::ipv6, candidates);
  }
  return tables;
}

}  // namespace millrace
