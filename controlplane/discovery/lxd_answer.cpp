// lxd_answer.cpp: parse_lxd_instances.
#include <fmt/format.h>

#include "controlplane/config/error_text.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/json_answer.h"
#include "controlplane/discovery/registry_answer.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;
using config::LxdDiscovery;

// What a container's configuration says under `key`; "" where there is no such key.
std::string setting(const Json& container, const std::string& key) {
  return key.empty() ? "" : member_text(member(container, "config"), key.c_str());
}

bool is_wanted(const Json& container, const LxdDiscovery& lxd) {
  if (member_text(container, "status") != "Running") return false;
  if (lxd.label_key.empty()) return true;
  const Json& label = member(member(container, "config"), lxd.label_key.c_str());
  return !label.is_null() && (lxd.label_value.empty() || scalar_text(label) == lxd.label_value);
}

// The first of the wanted family that others than the container's own host can reach.
std::string address_on(const Json& interface, const LxdDiscovery& lxd) {
  const Json& addresses = member(interface, "addresses");
  if (!addresses.is_array()) return {};
  for (const Json& address : addresses) {
    const std::string scope = member_text(address, "scope");
    if (member_text(address, "family") == (lxd.ipv6 ? "inet6" : "inet") && (scope.empty() || scope == "global"))
      return member_text(address, "address");
  }
  return {};
}

config::Parsed<config::BackendConfig> to_backend(const Json& container, const LxdDiscovery& lxd) {
  const std::string own_interface = setting(container, lxd.interface_key);
  const std::string& interface = own_interface.empty() ? lxd.interface : own_interface;
  std::string port = setting(container, lxd.port_key);
  if (port.empty() && lxd.port != 0) port = std::to_string(lxd.port);
  if (port.empty())
    return {fmt::format("its configuration has no key {}, and there is no lxd_container_port", lxd.port_key),
            "set one of both"};
  const Json& network = member(member(container, "state"), "network");
  if (!network.is_object())
    return {"it comes without its addresses: LXD 3.7 or later tells them with the list", "update LXD"};
  const Json& state = member(network, interface.c_str());
  if (state.is_null())
    return {fmt::format("it has no interface {}: set lxd_container_interface", config::quote(interface)),
            "name one that it has"};
  const std::string host = address_on(state, lxd);
  if (host.empty())
    return {fmt::format("its interface {} has no {} address yet", config::quote(interface), lxd.ipv6 ? "IPv6" : "IPv4"),
            "give it one"};
  return parse_parts({.host = host, .port = port, .sni = setting(container, lxd.sni_key)});
}

}  // namespace

Answer parse_lxd_instances(std::string_view text, const LxdDiscovery& lxd) {
  std::string problem;
  const std::optional<Json> reply = parse_json_answer(text, problem);
  if (!reply) return Answer::failed(problem);
  const Json& list = member(*reply, "metadata");
  if (!list.is_array()) return Answer::failed("its JSON has no list under metadata");
  AnswerBuilder builder;
  for (const Json& container : list) {
    if (!is_wanted(container, lxd)) continue;
    if (!builder.add(to_backend(container, lxd), "container " + config::quote(member_text(container, "name")))) break;
  }
  return builder.take("containers");
}

}  // namespace millrace::control
