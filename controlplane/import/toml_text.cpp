// toml_text.cpp: settled services as TOML, with comments that say where each part came from.
#include <fmt/format.h>

#include "controlplane/config/error_text.h"
#include "controlplane/import/draft.h"
#include "millrace/mode_name.h"

namespace millrace::importing {

namespace {

// As part of a key: [servers.web], [servers."web.eu"].
std::string toml_key(std::string_view name) {
  return name.find('.') == std::string_view::npos ? std::string(name) : toml_string(name);
}

void append_list(std::string& toml, std::string_view key, const std::vector<std::string>& values) {
  if (values.size() == 1) {
    toml += fmt::format("{} = {}\n", key, toml_string(values.front()));
    return;
  }
  toml += fmt::format("{} = [", key);
  for (size_t i = 0; i < values.size(); ++i) toml += (i == 0 ? "" : ", ") + toml_string(values[i]);
  toml += "]\n";
}

void append_duration(std::string& toml, std::string_view key, uint64_t ms) {
  if (ms != 0) toml += fmt::format("{} = \"{}\"\n", key, duration_text(ms));
}

void append_count(std::string& toml, std::string_view key, uint64_t count) {
  if (count != 0) toml += fmt::format("{} = {}\n", key, count);
}

void append_forwarding(std::string& toml, const DraftService& service) {
  std::vector<std::string> binds;
  for (const DraftBind& bind : service.binds) binds.push_back(format_endpoint(bind.endpoint));
  append_list(toml, "bind", binds);
  toml += fmt::format("protocol = \"{}\"\n", service.proto == Proto::tcp ? "tcp" : "udp");
  toml += fmt::format("mode = \"{}\"\n", mode_name(service.mode));
  if (!service.balance.empty()) toml += fmt::format("balance = \"{}\"\n", service.balance);
  if (service.mode == Mode::tunnel && service.gue_port != 0)
    toml += fmt::format("encapsulation = \"gue\"\ngue_port = {}\n", service.gue_port);
  append_duration(toml, "client_idle_timeout", service.client_idle_ms);
  append_duration(toml, "backend_idle_timeout", service.backend_idle_ms);
  append_duration(toml, "backend_connection_timeout", service.connect_timeout_ms);
  append_count(toml, "max_connections", service.connections_max);
  append_count(toml, "connection_rate", service.connection_rate);
  append_duration(toml, "slow_start", service.slow_start_ms);
}

void append_access(std::string& toml, const DraftService& service) {
  if (!service.access_denies && service.access_rules.empty()) return;
  toml += fmt::format("  [servers.{}.access]\n", toml_key(service.name));
  toml += fmt::format("  default = \"{}\"\n", service.access_denies ? "deny" : "allow");
  if (service.access_rules.empty()) return;
  toml += "  rules = [\n";
  for (const std::string& rule : service.access_rules) toml += "    " + toml_string(rule) + ",\n";
  toml += "  ]\n";
}

void append_names(std::string& toml, const DraftService& service) {
  if (!service.names) return;
  toml += fmt::format("  [servers.{}.sni]\n", toml_key(service.name));
  toml += fmt::format("  hostname_matching_strategy = \"{}\"\n", service.names->regexp ? "regexp" : "exact");
  toml += fmt::format("  unexpected_hostname_strategy = \"{}\"\n", service.names->unexpected);
  toml += fmt::format("  read_timeout = \"{}\"\n", duration_text(service.names->read_timeout_ms));
}

void append_check(std::string& toml, const DraftService& service) {
  if (!service.check) return;
  const DraftCheck& check = *service.check;
  toml += fmt::format("  [servers.{}.healthcheck]  # line {}\n", toml_key(service.name), check.line);
  toml += fmt::format("  kind = \"{}\"\n", check.kind);
  for (const auto& [key, value] : check.keys) toml += fmt::format("  {} = {}\n", key, value);
  if (check.port != 0) toml += fmt::format("  port = {}\n", check.port);
  toml += fmt::format("  interval = \"{}\"\n  timeout = \"{}\"\n", duration_text(check.interval_ms),
                      duration_text(check.timeout_ms));
  toml += fmt::format("  fails = {}\n  passes = {}\n", check.fails, check.passes);
  if (check.initially_down) toml += "  initial_status = \"unhealthy\"\n";
}

std::string backend_text(const DraftBackend& backend) {
  std::string text = format_endpoint(backend.endpoint);
  if (backend.weight != 1) text += fmt::format(" weight={}", backend.weight);
  if (backend.priority != 0) text += fmt::format(" priority={}", backend.priority);
  if (backend.connections_max != 0) text += fmt::format(" max_connections={}", backend.connections_max);
  if (backend.proxy_protocol != ProxyProtocol::none)
    text += backend.proxy_protocol == ProxyProtocol::v1 ? " proxy_protocol=1" : " proxy_protocol=2";
  if (!backend.host.empty()) text += " sni=" + backend.host;
  return text;
}

void append_service(std::string& toml, const DraftService& service) {
  toml += fmt::format("\n# Line {}: {}\n", service.line, config::escape(service.origin));
  for (const std::string& comment : service.comments) toml += "# " + config::escape(comment) + "\n";
  toml += fmt::format("[servers.{}]\n", toml_key(service.name));
  append_forwarding(toml, service);
  if (service.udp_requests_max != 0)
    toml += fmt::format("  [servers.{}.udp]\n  max_requests = {}\n", toml_key(service.name), service.udp_requests_max);
  append_access(toml, service);
  append_names(toml, service);
  append_check(toml, service);
  toml += fmt::format("  [servers.{}.discovery]\n  kind = \"static\"\n  static_list = [\n", toml_key(service.name));
  for (const DraftBackend& backend : service.backends) {
    const std::string comment = backend.comment.empty() ? "" : ", " + config::escape(backend.comment);
    toml += fmt::format("    {},  # line {}{}\n", toml_string(backend_text(backend)), backend.line, comment);
  }
  toml += "  ]\n";
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"' || text[i] == '\\') quoted += '\\';
    if (text[i] == '$' && text.substr(i).starts_with("${")) quoted += '$';
    quoted += text[i];
  }
  return quoted + "\"";
}

std::string duration_text(uint64_t ms) {
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

std::string write_toml(const Source& source, const Draft& draft) {
  std::string toml =
      fmt::format("# From {} ({}), by millctl import.\n", config::escape(source.name), kind_name(source.kind));
  toml +=
      "# There is no [dataplane]: the ports are this host's interfaces towards the binds and backends; see "
      "docs/configuration.md.\n";
  if (!source.snat.empty()) {
    toml += "\n[snat.import]\n";
    append_list(toml, "addresses", source.snat);
  }
  for (const DraftService& service : draft.services) append_service(toml, service);
  return toml;
}

}  // namespace millrace::importing
