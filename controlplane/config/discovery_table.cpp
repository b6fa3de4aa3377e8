// discovery_table.cpp: [servers.NAME.discovery]: a static_list, or where else the backends come from.
#include <utility>

#include "controlplane/config/backend_line.h"
#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

enum class Kind { fixed, exec, file };

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
  constexpr char kProblem[] = "has no meaning for a static list, which never changes by itself";
  for (const char* key : {"interval", "timeout", "failpolicy", "min_backends"})
    table.refuse(key, kProblem, "remove it");
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

DiscoverySource read_source(TableReader& table, Kind kind) {
  switch (kind) {
    case Kind::fixed:
      break;
    case Kind::exec:
      return read_exec(table);
    case Kind::file:
      return read_file(table);
  }
  return {};
}

// One error about the kind is enough; its own keys come and go with it.
void ignore_unknown_kind(TableReader& table) {
  for (const char* prefix : {"srv_", "docker_", "json_", "exec_", "plaintext_", "consul_", "lxd_", "file_"})
    table.ignore_prefix(prefix);
  for (const char* key : {"static_list", "interval", "timeout", "failpolicy", "min_backends"}) table.ignore(key);
}

}  // namespace

const char* discovery_kind_name(const DiscoveryConfig& discovery) {
  struct Name {
    const char* operator()(const std::monostate&) { return "static"; }
    const char* operator()(const ExecDiscovery&) { return "exec"; }
    const char* operator()(const FileDiscovery&) { return "file"; }
  };
  return std::visit(Name{}, discovery.source);
}

void read_discovery_table(TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  static constexpr char kLater[] = "use kind = \"exec\" with a script that asks, or kind = \"static\"";
  static constexpr Choice<Kind> kKinds[] = {{"static", Kind::fixed},
                                            {"exec", Kind::exec},
                                            {"file", Kind::file},
                                            {"srv", std::nullopt, kLater},
                                            {"docker", std::nullopt, kLater},
                                            {"json", std::nullopt, kLater},
                                            {"plaintext", std::nullopt, kLater},
                                            {"consul", std::nullopt, kLater},
                                            {"lxd", std::nullopt, kLater}};
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
  }
  table.finish();
}

}  // namespace millrace::config
