// command_fuzz.cpp: any bytes into the command reader, as a hostile control plane would send them.
// Input:  256-byte commands, taken as they are; what is left at the end is ignored. To get past the envelope often, the
//         sequence number and the generation follow the open transaction when the input says so in `reserved`.
// Proves: no bad access (the sanitizers), and that whatever the reader lets through is within every limit.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "dataplane/link/command_reader.h"

namespace {

using namespace millrace;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

bool same_family(const SnatRangeCommand& range) { return range.first.family() == range.last.family(); }

bool within(uint32_t value, uint32_t min, uint32_t max) { return value >= min && value <= max; }

void check_proxying(const DesiredService& service) {
  const bool proxied = may_proxy(service.mode, service.syn_proxy);
  const bool reads_hello = service.host_matching != HostMatching::none;
  require(service.mode != Mode::proxy || service.syn_proxy == SynProxy::off, "mode proxy has no syn_proxy");
  require(!proxied || service.proto == Proto::tcp, "proxied connections are TCP");
  require(!reads_hello || service.mode == Mode::proxy, "only mode proxy reads names");
  require(proxied ? within(service.connect_timeout_ms, kHandshakeTimeoutMsMin, kHandshakeTimeoutMsMax)
                  : service.connect_timeout_ms == 0,
          "connect timeout");
  require(reads_hello ? within(service.hello_timeout_ms, kHandshakeTimeoutMsMin, kHandshakeTimeoutMsMax)
                      : service.hello_timeout_ms == 0,
          "hello timeout");
  require(service.syn_proxy == SynProxy::automatic ? within(service.syn_rate, 1, kSynRateMax) : service.syn_rate == 0,
          "SYN rate");
  require(service.hosts.size() <= (reads_hello ? kHostPatternMax : 0), "names of a service");
  HostMatcher matcher;
  std::set<std::string> texts;
  for (const DesiredHost& host : service.hosts) {
    require(host.pattern != nullptr && texts.insert(host.pattern->text()).second, "each name once, and compiled");
    host.pattern->matches("www.example.com", matcher);
  }
  for (const DesiredBackend& backend : service.backends) {
    require(backend.host == kNoHost || backend.host < service.hosts.size(), "a backend's name");
    require(backend.proxy_protocol == ProxyProtocol::none || always_proxies(service.mode, service.syn_proxy),
            "a header for proxied connections");
  }
}

void check_direct(const DesiredService& service) {
  require((service.encapsulation != Encapsulation::none) == (service.mode == Mode::tunnel), "a tunnel wraps");
  require((service.encapsulation == Encapsulation::gue) == (service.gue_port != 0), "GUE has a port");
  require(service.mss_clamp == 0 || (is_direct(service.mode) && service.proto == Proto::tcp), "MSS clamp");
  if (!is_direct(service.mode)) return;
  require(service.balance == Balance::maglev, "direct modes pick by Maglev");
  require(service.connections_max == 0 && service.udp_requests_max == 0 && service.udp_responses_max == 0,
          "direct modes count nothing");
  for (const DesiredBackend& backend : service.backends)
    require(backend.connections_max == 0, "direct modes count nothing");
  for (const Endpoint& bind : service.binds)
    for (const DesiredBackend& backend : service.backends)
      require(bind.port == backend.endpoint.port, "packets keep their port");
}

void check_limits(const DesiredService& service) {
  require(service.slow_start_ms == 0 ||
              (within(service.slow_start_ms, kSlowStartMsMin, kSlowStartMsMax) && !is_by_client(service.balance)),
          "slow start");
  require(service.proto == Proto::udp || (service.udp_requests_max == 0 && service.udp_responses_max == 0),
          "datagrams of UDP alone");
}

void check_rates(const DesiredService& service) {
  for (const uint32_t rate :
       {service.connection_rate, service.packet_rate, service.source_connection_rate, service.source_packet_rate})
    require(rate <= kRateMax, "a rate");
  const bool by_source = (service.source_connection_rate | service.source_packet_rate) != 0;
  require(within(service.source_prefix4, by_source ? 1 : 0, by_source ? 32 : 0), "bits of an IPv4 source");
  require(within(service.source_prefix6, by_source ? 1 : 0, by_source ? 128 : 0), "bits of an IPv6 source");
}

void check_service(const DesiredService& service, const std::set<uint16_t>& pools) {
  require(!service.name.empty() && service.name.size() < kNameBytes, "a name fits its field");
  require(service.proto == Proto::tcp || service.proto == Proto::udp, "protocol");
  require(service.binds.size() <= kBindPerServiceMax, "binds of a service");
  require(service.backends.size() <= kBackendPerServiceMax, "backends of a service");
  std::set<std::pair<IpAddr, uint16_t>> endpoints;
  for (const DesiredBackend& backend : service.backends) {
    require(endpoints.emplace(backend.endpoint.addr, backend.endpoint.port.raw).second, "one endpoint, one backend");
    const uint16_t pool = service.snat_pool_of(backend);
    const bool needs_none = service.mode == Mode::nat || service.mode == Mode::dsr || !backend.eligible();
    require(pools.contains(pool) || (pool == kNoSnatPool && needs_none), "a pool with addresses where one is needed");
    require(backend.endpoint.port.raw != 0 && !backend.endpoint.addr.is_any(), "endpoint");
    require(backend.weight <= kWeightMax && backend.priority <= kPriorityMax, "weight and priority");
  }
  const bool asks = service.access_default == AccessAction::deny || service.access.table != nullptr;
  require(asks == (service.access.table != nullptr), "whoever denies by default has a table");
  if (asks) service.access.table->allows(IpAddr{});
  check_proxying(service);
  check_direct(service);
  check_limits(service);
  check_rates(service);
}

void check_model(const DesiredModel& model, Generation applied) {
  require(model.generation > applied, "generations grow");
  std::set<uint16_t> pools;
  for (const SnatRangeCommand& range : model.snat_ranges) {
    require(range.pool < kSnatPoolMax && same_family(range) && range.first <= range.last, "SNAT range");
    require(range.port_first != 0 && range.port_first <= range.port_last, "SNAT ports");
    pools.insert(range.pool);
  }
  if (model.blocklist) {
    require(!model.blocklist->prefixes().empty(), "nobody blocked has no list");
    for (const BlockedPrefix& blocked : model.blocklist->prefixes()) {
      require(is_prefix(blocked.prefix, blocked.bits), "a prefix");
      require(model.blocklist->holds(blocked.prefix), "whoever is blocked");
    }
  }
  std::set<std::string> names;
  std::set<std::tuple<IpAddr, uint16_t, Proto>> binds;
  for (const DesiredService& service : model.services) {
    check_service(service, pools);
    require(names.insert(service.name).second, "one name, one service");
    for (const Endpoint& bind : service.binds) {
      require(bind.port.raw != 0, "bind port");
      require(binds.emplace(bind.addr, bind.port.raw, service.proto).second, "one bind, one service");
      for (const SnatRangeCommand& range : model.snat_ranges)
        require(bind.addr < range.first || bind.addr > range.last || bind.port.host() < range.port_first ||
                    bind.port.host() > range.port_last,
                "no bind inside a SNAT range");
    }
  }
}

void apply(const SetBackendCommand& set, DesiredModel& applied) {
  require(raw(set.service) < applied.services.size(), "set_backend names a service");
  require(raw(set.backend) < applied.services[raw(set.service)].backends.size(), "set_backend names a backend");
  DesiredBackend& backend = applied.services[raw(set.service)].backends[raw(set.backend)];
  if (set.fields & kSetWeight) backend.weight = set.weight;
  require(backend.weight <= kWeightMax, "weight");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint16_t kFollow = 0xf0f0;  // in `reserved`: make the envelope fit
  CommandReader reader;
  DesiredModel applied;
  uint32_t sequence = 0;
  Generation generation = 1;
  for (size_t at = 0; at + sizeof(Command) <= size; at += sizeof(Command)) {
    Command command;
    std::memcpy(static_cast<void*>(&command), data + at, sizeof command);
    if (command.reserved == kFollow) {
      command.reserved = 0;
      command.sequence = ++sequence;
      if (command.kind == CommandKind::begin) ++generation;
      command.generation = command.kind == CommandKind::set_backend ? applied.generation : generation;
    }
    const CommandReader::Result result = reader.read(command, applied);
    require((result.outcome == CommandReader::Outcome::rejected) == (result.reason != RejectReason::none),
            "a reason for every rejection and for nothing else");
    if (result.outcome == CommandReader::Outcome::set_backend) apply(command.body.set_backend, applied);
    if (result.outcome != CommandReader::Outcome::commit) continue;
    DesiredModel model = reader.take();
    check_model(model, applied.generation);
    generation = model.generation;
    applied = std::move(model);
  }
  return 0;
}
