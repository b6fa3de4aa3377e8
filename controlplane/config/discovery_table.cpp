// discovery_table.cpp: [servers.NAME.discovery]: a static_list, or where else the backends come from.
#include <algorithm>
#include <utility>

#include "controlplane/config/backend_line.h"
#include "controlplane/config/discovery_kinds.h"
#include "controlplane/config/tables.h"
#include "controlplane/config/url.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

enum class Kind { fixed, exec, file, json, plaintext, srv, dns, consul, docker, lxd, zookeeper, etcd, kubernetes };

constexpr uint32_t kIntervalMinMs = 100;
constexpr uint32_t kTimeoutMinMs = 10;
constexpr uint32_t kTimeoutMaxMs = 5 * 60 * kSecondMs;
constexpr uint32_t kTimeoutMs = 5 * kSecondMs;
constexpr size_t kCommandWordMax = 64;

void read_static_list(TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  const std::vector<Text> texts = table.read_texts(
      "static_list", "write static_list = [\"10.0.0.1:80 weight=5\", \"10.0.0.2:80\"]", origins.backends_complete);
  if (texts.size() > kBackendPerServiceMax) {
    table.errors().add(table.origin_of("static_list"), "holds " + std::to_string(texts.size()) + " backends",
                       "write at most " + std::to_string(kBackendPerServiceMax) + " a service");
    origins.backends_complete = false;
    return;
  }
  for (const Text& text : texts) {
    Parsed<BackendConfig> backend = parse_backend(text.text, service.proxy_protocol);
    if (backend.value) {
      service.backends.push_back(*backend.value);
      origins.backends.push_back(text.origin);
    } else {
      table.errors().add(text.origin, std::move(backend.problem), std::move(backend.remedy));
      origins.backends_complete = false;
    }
  }
}

void read_static(TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  read_static_list(table, service, origins);
  // gobetween's files have these beside every kind.
  for (const char* key : {"interval", "timeout", "failpolicy"}) table.ignore(key);
  table.refuse("min_backends", "has no meaning for a static list, which never changes by itself", "remove it");
}

// What every kind but static has.
void read_asking(TableReader& table, DiscoveryConfig& discovery) {
  static constexpr Choice<FailPolicy> kPolicies[] = {{"keeplast", FailPolicy::keep_last},
                                                     {"setempty", FailPolicy::set_empty}};
  discovery.interval_ms = table.read_duration_ms("interval", kIntervalMinMs, kWeekMs, true).value_or(0);
  discovery.timeout_ms = table.read_duration_ms("timeout", kTimeoutMinMs, kTimeoutMaxMs, true).value_or(0);
  if (discovery.timeout_ms == 0) discovery.timeout_ms = kTimeoutMs;
  discovery.fail_policy = table.read_choice("failpolicy", kPolicies).value_or(FailPolicy::keep_last);
  discovery.min_backends =
      static_cast<uint16_t>(table.read_integer("min_backends", 0, kBackendPerServiceMax).value_or(0));
}

ExecDiscovery read_exec(TableReader& table) {
  bool complete = true;
  ExecDiscovery exec;
  for (Text& word :
       table.read_texts("exec_command", "write exec_command = [\"/usr/local/bin/backends\", \"web\"]", complete))
    exec.command.push_back(std::move(word.text));
  if (exec.command.size() > kCommandWordMax)
    table.errors().add(table.origin_of("exec_command"), "has " + std::to_string(exec.command.size()) + " words",
                       "write at most " + std::to_string(kCommandWordMax) + ", or a script");
  if (complete && !exec.command.empty() && exec.command.front().empty())
    table.errors().add(table.origin_of("exec_command"), "names no program", "write the program's path first");
  return exec;
}

FileDiscovery read_file(TableReader& table) {
  if (!table.has("file_path")) table.report_missing("file_path", "write file_path = \"/etc/millrace/web.backends\"");
  return {table.read_path("file_path").value_or("")};
}

}  // namespace

std::string read_needed(TableReader& table, std::string_view key, std::string_view example) {
  if (!table.has(key)) table.report_missing(key, "write " + std::string(key) + " = \"" + std::string(example) + "\"");
  const std::optional<Text> text = table.read_text(key);
  if (text && text->text.empty())
    table.errors().add(text->origin, "is empty", "write one, like " + std::string(example));
  return text ? text->text : "";
}

namespace {

std::string read_url(TableReader& table, std::string_view key) {
  const std::string text = read_needed(table, key, "http://registry.example.com/backends");
  if (text.empty()) return text;
  Parsed<Url> url = parse_url(text);
  if (!url.value) table.errors().add(table.origin_of(key), std::move(url.problem), std::move(url.remedy));
  return text;
}

JsonDiscovery read_json(TableReader& table) {
  JsonDiscovery json{.endpoint = read_url(table, "json_endpoint")};
  const std::pair<const char*, std::string*> patterns[] = {
      {"json_host_pattern", &json.patterns.host},     {"json_port_pattern", &json.patterns.port},
      {"json_weight_pattern", &json.patterns.weight}, {"json_priority_pattern", &json.patterns.priority},
      {"json_sni_pattern", &json.patterns.sni},       {"json_max_connections_pattern", &json.patterns.max_connections}};
  for (const auto& [key, pattern] : patterns)
    if (std::optional<Text> text = table.read_text(key); text && !text->text.empty()) *pattern = std::move(text->text);
  json.ca_path = table.read_path("json_tls_cacert_path").value_or("");
  return json;
}

PlaintextDiscovery read_plaintext(TableReader& table) {
  PlaintextDiscovery plaintext{.endpoint = read_url(table, "plaintext_endpoint")};
  const std::optional<Text> pattern = table.read_text("plaintext_regex_pattern");
  if (pattern && !pattern->text.empty()) plaintext.pattern = compile_pattern(*pattern, table.errors());
  for (const char* group : {"host", "port"})
    if (plaintext.pattern && !plaintext.pattern.has_group(group))
      table.errors().add(pattern->origin, quote(pattern->text) + " has no group (?P<" + group + ">...)",
                         "write one such as '^(?P<host>\\S+):(?P<port>\\d+)$'");
  plaintext.ca_path = table.read_path("plaintext_tls_cacert_path").value_or("");
  return plaintext;
}

void read_server(TableReader& table, std::string_view key, DnsServer& server) {
  const std::optional<Text> text = table.read_text(key);
  if (!text) return;
  Parsed<HostPort> parsed = parse_host_port(text->text);
  if (!parsed.value) return table.errors().add(text->origin, std::move(parsed.problem), std::move(parsed.remedy));
  server.host = parsed.value->host;
  server.port = parsed.value->port;
}

bool read_is_tcp(TableReader& table, std::string_view key) {
  static constexpr Choice<bool> kProtocols[] = {{"udp", false}, {"tcp", true}};
  return table.read_choice(key, kProtocols).value_or(false);
}

SrvDiscovery read_srv(TableReader& table) {
  SrvDiscovery srv;
  read_needed(table, "srv_lookup_server", "192.0.2.53:53");
  read_server(table, "srv_lookup_server", srv.server);
  srv.name = read_needed(table, "srv_lookup_pattern", "_http._tcp.example.com.");
  srv.server.tcp = read_is_tcp(table, "srv_dns_protocol");
  return srv;
}

DnsDiscovery read_dns(TableReader& table) {
  DnsDiscovery dns{.name = read_needed(table, "dns_name", "web.example.com")};
  if (!table.has("dns_port")) table.report_missing("dns_port", "write dns_port = 80");
  dns.port = static_cast<uint16_t>(table.read_integer("dns_port", 1, 65535).value_or(0));
  read_server(table, "dns_lookup_server", dns.server);
  dns.server.tcp = read_is_tcp(table, "dns_protocol");
  return dns;
}

DiscoverySource read_source(TableReader& table, Kind kind) {
  switch (kind) {
    case Kind::fixed:
      break;
    case Kind::exec:
      return read_exec(table);
    case Kind::file:
      return read_file(table);
    case Kind::json:
      return read_json(table);
    case Kind::plaintext:
      return read_plaintext(table);
    case Kind::srv:
      return read_srv(table);
    case Kind::dns:
      return read_dns(table);
    case Kind::consul:
      return read_consul(table);
    case Kind::docker:
      return read_docker(table);
    case Kind::lxd:
      return read_lxd(table);
    case Kind::zookeeper:
      return read_zookeeper(table);
    case Kind::etcd:
      return read_etcd(table);
    case Kind::kubernetes:
      return read_kubernetes(table);
  }
  return {};
}

// One error about the kind is enough; its own keys come and go with it.
void ignore_unknown_kind(TableReader& table) {
  for (const char* prefix : {"srv_", "docker_", "json_", "exec_", "plaintext_", "consul_", "lxd_", "file_", "dns_",
                             "zookeeper_", "etcd_", "kubernetes_"})
    table.ignore_prefix(prefix);
  for (const char* key : {"static_list", "interval", "timeout", "failpolicy", "min_backends"}) table.ignore(key);
}

}  // namespace

const char* discovery_kind_name(const DiscoveryConfig& discovery) {
  struct Name {
    const char* operator()(const std::monostate&) { return "static"; }
    const char* operator()(const ExecDiscovery&) { return "exec"; }
    const char* operator()(const FileDiscovery&) { return "file"; }
    const char* operator()(const JsonDiscovery&) { return "json"; }
    const char* operator()(const PlaintextDiscovery&) { return "plaintext"; }
    const char* operator()(const SrvDiscovery&) { return "srv"; }
    const char* operator()(const DnsDiscovery&) { return "dns"; }
    const char* operator()(const ZookeeperDiscovery&) { return "zookeeper"; }
    const char* operator()(const EtcdDiscovery&) { return "etcd"; }
    const char* operator()(const KubernetesDiscovery&) { return "kubernetes"; }
    const char* operator()(const ConsulDiscovery&) { return "consul"; }
    const char* operator()(const DockerDiscovery&) { return "docker"; }
    const char* operator()(const LxdDiscovery&) { return "lxd"; }
  };
  return std::visit(Name{}, discovery.source);
}

void read_discovery_table(TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  static constexpr Choice<Kind> kKinds[] = {{"static", Kind::fixed},
                                            {"exec", Kind::exec},
                                            {"file", Kind::file},
                                            {"json", Kind::json},
                                            {"plaintext", Kind::plaintext},
                                            {"srv", Kind::srv},
                                            {"dns", Kind::dns},
                                            {"consul", Kind::consul},
                                            {"docker", Kind::docker},
                                            {"lxd", Kind::lxd},
                                            {"zookeeper", Kind::zookeeper},
                                            {"etcd", Kind::etcd},
                                            {"kubernetes", Kind::kubernetes}};
  if (!table.has("kind")) table.report_missing("kind", "write kind = \"static\"");
  const std::optional<Kind> kind = table.read_choice("kind", kKinds);
  if (table.has("kind") && !kind) {
    origins.backends_complete = false;
    ignore_unknown_kind(table);
  } else if (kind.value_or(Kind::fixed) == Kind::fixed) {
    read_static(table, service, origins);
  } else {
    origins.backends_complete = false;  // nothing follows from what is not known yet
    read_asking(table, service.discovery);
    service.discovery.source = read_source(table, *kind);
    if (auto* docker = std::get_if<DockerDiscovery>(&service.discovery.source))
      docker->udp = service.proto == Proto::udp;
  }
  table.finish();
}

}  // namespace millrace::config
