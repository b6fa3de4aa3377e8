// proxy_tables.cpp: what services with proxied connections have: syn_proxy, [servers.NAME.sni],
// [servers.NAME.proxy_protocol], the time for a connection to a backend, and sni= and proxy_protocol= of backends.
#include <algorithm>
#include <set>

#include "controlplane/config/host_pattern.h"
#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

constexpr uint32_t kConnectTimeoutMs = 3 * kSecondMs;  // Time for a second backend before clients give up.
constexpr uint32_t kSynRate = 10'000;                  // Far over honest clients, far below what hurts a worker.

void read_syn_proxy(TableReader& server, ServiceConfig& service, ServiceOrigins& origins) {
  static constexpr Choice<SynProxy> kWhen[] = {
      {"off", SynProxy::off}, {"auto", SynProxy::automatic}, {"on", SynProxy::on}};
  const std::optional<SynProxy> when = server.read_choice("syn_proxy", kWhen);
  const Origin origin = server.origin_of("syn_proxy");
  if (!when && server.has("syn_proxy")) origins.mode_known = false;
  if (service.mode == Mode::proxy) {
    if (when && when != SynProxy::on)
      server.errors().add(origin, "mode proxy answers every SYN with a cookie",
                          "remove it or write syn_proxy = \"on\"");
  } else if (is_direct(service.mode)) {
    if (when && when != SynProxy::off)
      server.errors().add(origin, "backends answer clients themselves in this mode, so nothing can be spliced",
                          "remove it, or write mode = \"fullnat\", \"nat\" or \"proxy\"");
  } else if (service.proto == Proto::udp) {
    if (when && when != SynProxy::off)
      server.errors().add(origin, "SYN cookies are for TCP, but the service is UDP", "remove it");
  } else {
    service.syn_proxy = when.value_or(SynProxy::off);
  }
  if (service.syn_proxy != SynProxy::off) origins.proxied = origin;

  const std::optional<uint64_t> rate = server.read_integer("syn_proxy_rate", 1, kSynRateMax);
  if (service.syn_proxy == SynProxy::automatic)
    service.syn_rate = static_cast<uint32_t>(rate.value_or(kSynRate));
  else if (rate && (when || !server.has("syn_proxy")))
    server.errors().add(server.origin_of("syn_proxy_rate"), "has a meaning with syn_proxy = \"auto\" alone",
                        "remove it or write syn_proxy = \"auto\"");
}

void read_sni_table(TableReader& table, ServiceConfig& service) {
  static constexpr Choice<HostMatching> kMatchings[] = {{"exact", HostMatching::exact},
                                                        {"regexp", HostMatching::regexp}};
  static constexpr Choice<UnexpectedHost> kUnexpected[] = {
      {"default", UnexpectedHost::fallback}, {"reject", UnexpectedHost::reject}, {"any", UnexpectedHost::any}};
  constexpr char kMatchingKey[] = "hostname_matching_strategy";
  constexpr char kUnexpectedKey[] = "unexpected_hostname_strategy";
  if (!table.has(kMatchingKey)) table.report_missing(kMatchingKey, "write \"exact\" or \"regexp\"");
  if (!table.has(kUnexpectedKey)) table.report_missing(kUnexpectedKey, "write \"default\", \"reject\" or \"any\"");
  if (!table.has("read_timeout")) table.report_missing("read_timeout", "write read_timeout = \"2s\"");
  service.host_matching = table.read_choice(kMatchingKey, kMatchings).value_or(HostMatching::none);
  service.unexpected_host = table.read_choice(kUnexpectedKey, kUnexpected).value_or(UnexpectedHost::fallback);
  service.hello_timeout_ms =
      table.read_duration_ms("read_timeout", kHandshakeTimeoutMsMin, kHandshakeTimeoutMsMax, false).value_or(0);
  table.finish();
}

void read_proxy_protocol_table(TableReader& table, ServiceConfig& service) {
  static constexpr Choice<ProxyProtocol> kVersions[] = {{"1", ProxyProtocol::v1}, {"2", ProxyProtocol::v2}};
  if (!table.has("version")) table.report_missing("version", "write version = \"1\" or version = \"2\"");
  service.proxy_protocol = table.read_choice("version", kVersions).value_or(ProxyProtocol::none);
  table.finish();
}

// What to do so that connections are proxied; of a file that came from gobetween, which knows no modes, lines to paste.
std::string proxy_remedy(const TableReader& server, const ServiceConfig& service, bool syn_proxy_does) {
  if (!server.has("mode")) return "add below [" + server.origin().key + "]:\n    mode = \"proxy\"";
  if (service.syn_proxy == SynProxy::automatic)
    return "write syn_proxy = \"on\", or mode = \"proxy\" without syn_proxy";
  return syn_proxy_does && !is_direct(service.mode) ? "write mode = \"proxy\", or syn_proxy = \"on\""
                                                    : "write mode = \"proxy\"";
}

// Reports tables that the service's connections have no use for.
void check_tables(TableReader& server, const ServiceConfig& service, const std::optional<TableReader>& sni,
                  const std::optional<TableReader>& proxy_protocol) {
  if (service.proto == Proto::udp) {
    constexpr char kProblem[] = "is for TCP connections, but the service is UDP";
    if (sni) server.errors().add(sni->origin(), kProblem, "remove the table");
    if (proxy_protocol) server.errors().add(proxy_protocol->origin(), kProblem, "remove the table");
    return;
  }
  if (sni && service.mode != Mode::proxy) {
    server.errors().add(sni->origin(), "a server name can choose the backend in mode \"proxy\" alone",
                        proxy_remedy(server, service, false));
    if (!server.has("mode")) return;  // one error says it
  }
  if (proxy_protocol && !service.always_proxies())
    server.errors().add(proxy_protocol->origin(),
                        service.syn_proxy == SynProxy::automatic
                            ? "with syn_proxy = \"auto\" only some connections would begin with the header"
                            : "the header can be sent on proxied connections alone",
                        proxy_remedy(server, service, true));
}

void settle_connect_timeout(TableReader& server, const ConnectionOptions& own, ServiceConfig& service) {
  uint32_t& timeout_ms = service.connect_timeout_ms;
  if (timeout_ms == 0) timeout_ms = kConnectTimeoutMs;
  if (timeout_ms >= kHandshakeTimeoutMsMin && timeout_ms <= kHandshakeTimeoutMsMax) return;
  server.errors().add(server.origin_of("backend_connection_timeout"),
                      own.backend_connection_timeout_ms
                          ? "is out of range for proxied connections"
                          : "the one of [defaults] is out of range for proxied connections",
                      "write a duration from 10ms to 60s, or \"0\" for 3s");
}

constexpr char kSniExample[] =
    "    hostname_matching_strategy = \"exact\"\n"
    "    unexpected_hostname_strategy = \"default\"\n"
    "    read_timeout = \"2s\"";

// Lower-cases exact names; reports what is no name and no expression.
void check_hosts(ServiceConfig& service, const ServiceOrigins& origins, ErrorList& errors) {
  std::set<std::string> known;
  const bool exact = service.host_matching == HostMatching::exact;
  for (size_t b = 0; b < service.backends.size(); ++b) {
    std::string& host = service.backends[b].host;
    if (host.empty()) continue;
    if (exact)
      std::transform(host.begin(), host.end(), host.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (!known.insert(host).second) continue;
    if (known.size() == kHostPatternMax + 1)
      errors.add(origins.backends[b], quote("sni=" + host) + " is one server name too many",
                 "use at most " + std::to_string(kHostPatternMax) + " different ones a service");
    const HostPattern::Compiled compiled = HostPattern::compile(service.host_matching, host);
    if (compiled.pattern) continue;
    errors.add(origins.backends[b],
               quote("sni=" + host) + (exact ? " is no server name: " : " is no regular expression: ") +
                   compiled.problem + " (at character " + std::to_string(compiled.offset + 1) + ")",
               exact ? "write a name, such as sni=www.example.com, or hostname_matching_strategy = \"regexp\""
                     : "write an expression of PCRE2, such as sni=^(www|api)[.]example[.]com$");
  }
}

}  // namespace

void read_proxy_options(TableReader& server, const ConnectionOptions& own, ServiceConfig& service,
                        ServiceOrigins& origins) {
  if (service.mode == Mode::proxy && service.proto == Proto::udp) {
    server.errors().add(server.origin_of("mode"), "\"proxy\" splices TCP connections, but the service is UDP",
                        "write mode = \"fullnat\" or \"nat\"");
    origins.mode_known = false;
  } else if (service.mode == Mode::proxy) {
    origins.proxied = server.origin_of("mode");
  }
  read_syn_proxy(server, service, origins);
  std::optional<TableReader> sni = server.read_table("sni");
  if (sni) read_sni_table(*sni, service);
  std::optional<TableReader> proxy_protocol = server.read_table("proxy_protocol");
  if (proxy_protocol) read_proxy_protocol_table(*proxy_protocol, service);
  if (!origins.mode_known) return;
  check_tables(server, service, sni, proxy_protocol);
  if (service.may_proxy()) settle_connect_timeout(server, own, service);
}

void check_backend_options(TableReader& server, ServiceConfig& service, const ServiceOrigins& origins) {
  const auto first = [&](auto&& is_so) {
    return static_cast<size_t>(std::find_if(service.backends.begin(), service.backends.end(), is_so) -
                               service.backends.begin());
  };
  const bool has_table = server.has("sni");
  const size_t named = first([](const BackendConfig& backend) { return !backend.host.empty(); });
  const bool any_named = named != service.backends.size();
  if (any_named && !has_table) {
    server.errors().add(origins.backends[named], "sni= has no meaning without [" + server.origin().key + ".sni]",
                        "add" + std::string(service.mode == Mode::proxy ? "" : ", with mode = \"proxy\"") + ":\n    [" +
                            server.origin().key + ".sni]\n" + kSniExample);
  } else if (service.host_matching != HostMatching::none) {
    check_hosts(service, origins, server.errors());
    if (!any_named && origins.backends_complete && service.unexpected_host == UnexpectedHost::reject)
      server.errors().add(server.origin_of("sni"), "no backend has a server name: every client would be refused",
                          "add sni=NAME to backends, or write unexpected_hostname_strategy = \"any\"");
  }
  // A service with the table has been told already.
  const size_t with_header =
      first([](const BackendConfig& backend) { return backend.proxy_protocol != ProxyProtocol::none; });
  if (origins.mode_known && !service.always_proxies() && service.proxy_protocol == ProxyProtocol::none &&
      with_header != service.backends.size())
    server.errors().add(origins.backends[with_header], "proxy_protocol= needs proxied connections",
                        service.proto == Proto::udp ? "remove it" : proxy_remedy(server, service, true));
}

}  // namespace millrace::config
