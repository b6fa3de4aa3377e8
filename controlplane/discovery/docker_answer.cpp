// docker_answer.cpp: what Docker's API says about containers.
#include <fmt/format.h>

#include <algorithm>

#include "controlplane/config/error_text.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/json_answer.h"
#include "controlplane/discovery/registry_answer.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;

// Docker puts a slash in front of every name.
std::string name_of(const Json& container) {
  const Json& names = member(container, "Names");
  std::string name = names.is_array() && !names.empty() ? scalar_text(names.front()) : "";
  if (name.starts_with('/')) name.erase(0, 1);
  return name.empty() ? member_text(container, "Id").substr(0, 12) : name;
}

PublishedPort to_port(const Json& container, const Json& port) {
  const std::string ip = member_text(port, "IP");
  const auto addr = parse_ip(ip);
  return {.container_id = member_text(container, "Id"),
          .container_name = name_of(container),
          .host = addr && addr->is_any() ? "" : ip,
          .port = member_text(port, "PublicPort"),
          .sni = member_text(member(container, "Labels"), "sni")};
}

bool is_wanted(const Json& port, const config::DockerDiscovery& docker) {
  const std::string type = member_text(port, "Type");
  return member_text(port, "PrivatePort") == std::to_string(docker.private_port) &&
         (type.empty() || (type == "udp") == docker.udp);
}

}  // namespace

PublishedPorts parse_docker_containers(std::string_view text, const config::DockerDiscovery& docker) {
  PublishedPorts found;
  const std::optional<Json> list = parse_json_answer(text, found.problem);
  if (!list) return found;
  if (!list->is_array()) return {.problem = fmt::format("its JSON is {}, not a list", list->type_name())};
  for (const Json& container : *list) {
    const Json& ports = member(container, "Ports");
    if (!ports.is_array()) continue;
    const size_t first = found.ports.size();
    for (const Json& port : ports) {
      if (!is_wanted(port, docker)) continue;
      PublishedPort published = to_port(container, port);
      // Published on every address it stands there twice, for IPv4 and for IPv6.
      const auto own = found.ports.begin() + static_cast<std::ptrdiff_t>(first);
      if (std::find(own, found.ports.end(), published) == found.ports.end())
        found.ports.push_back(std::move(published));
      if (found.ports.size() > kEntryMax) return {.problem = fmt::format("it has more than {} ports", kEntryMax)};
    }
  }
  return found;
}

std::string parse_docker_variable(std::string_view text, std::string_view name, std::string& problem) {
  const std::optional<Json> container = parse_json_answer(text, problem);
  if (!container) return {};
  const Json& variables = member(member(*container, "Config"), "Env");
  if (!variables.is_array()) return {};
  for (const Json& variable : variables) {
    const std::string line = scalar_text(variable);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=')
      return line.substr(name.size() + 1);
  }
  return {};
}

config::Parsed<config::BackendConfig> to_backend(const PublishedPort& port, const std::string& own_host) {
  if (port.port.empty()) return {"its port is not published: start it with -p ADDRESS:PORT:PORT", "publish it"};
  const std::string& host = port.host.empty() ? own_host : port.host;
  if (host.empty())
    return {
        "its port is published on every address of this host, and which one clients may be sent to is not known: "
        "publish it with -p ADDRESS:PORT:PORT, or name the address in docker_container_host_env_var's variable",
        "publish it on one address"};
  const auto addr = parse_ip(host);
  if (addr && addr->is_loopback())
    return {fmt::format("its port is at {}, which no network card reaches: publish it on an address of the backends' "
                        "network with -p ADDRESS:PORT:PORT",
                        host),
            "publish it there"};
  return parse_parts({.host = host, .port = port.port, .sni = port.sni});
}

}  // namespace millrace::control
