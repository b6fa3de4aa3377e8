#include "controlplane/state/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "controlplane/config/document.h"

namespace millrace::control {
namespace {

constexpr char kStaticList[] = "discovery.static_list";

struct ServiceSide {
  const config::ServiceConfig* config = nullptr;
  const DesiredService* desired = nullptr;
  const toml::table* written = nullptr;
};
using Sides = std::map<std::string, ServiceSide>;

Sides services_of(const PlanSide& side) {
  Sides services;
  const toml::table* written = side.config.document->root["servers"].as_table();
  for (size_t s = 0; s < side.config.services.size(); ++s) {
    const config::ServiceConfig& service = side.config.services[s];
    const toml::node* node = written == nullptr ? nullptr : written->get(service.name);
    services[service.name] = {&service, &side.state.services[s], node == nullptr ? nullptr : node->as_table()};
  }
  return services;
}

const config::BackendConfig* find_backend(const config::ServiceConfig& service, const Endpoint& endpoint) {
  const auto found = std::ranges::find(service.backends, endpoint, &config::BackendConfig::endpoint);
  return found == service.backends.end() ? nullptr : &*found;
}

std::vector<SettingChange> backend_changes(const config::BackendConfig& was, const config::BackendConfig& is) {
  std::vector<SettingChange> changes;
  const auto compare = [&](const char* key, const auto& a, const auto& b) {
    if (a != b) changes.push_back({key, fmt::format("{}", a), fmt::format("{}", b)});
  };
  compare("weight", was.weight, is.weight);
  compare("priority", was.priority, is.priority);
  compare("max_connections", was.connections_max, is.connections_max);
  compare("proxy_protocol", static_cast<unsigned>(was.proxy_protocol), static_cast<unsigned>(is.proxy_protocol));
  compare("sni", was.host, is.host);
  return changes;
}

// Its UDP sessions leave it (BackendStanding::lost in the dataplane).
bool is_lost(const DesiredService& service, const Endpoint& endpoint) {
  const DesiredBackend* backend = find_backend(service, endpoint);
  return backend != nullptr && (backend->health == Health::down || backend->admin == Admin::disabled);
}

Fate fate_of(uint64_t active, const ServiceSide& from, const ServiceSide& to, const Endpoint& endpoint) {
  if (to.config == nullptr || find_backend(*to.config, endpoint) == nullptr) return {.drained = active};
  const bool moves =
      to.config->proto == Proto::udp && is_lost(*to.desired, endpoint) && !is_lost(*from.desired, endpoint);
  return moves ? Fate{.moved = active} : Fate{.kept = active};
}

std::vector<PlannedBackend> changed_backends(const config::ServiceConfig* from, const config::ServiceConfig* to) {
  std::vector<PlannedBackend> backends;
  if (from != nullptr)
    for (const config::BackendConfig& backend : from->backends) {
      const config::BackendConfig* kept = to == nullptr ? nullptr : find_backend(*to, backend.endpoint);
      if (kept == nullptr)
        backends.push_back({.endpoint = backend.endpoint, .difference = Difference::removed});
      else if (std::vector<SettingChange> changes = backend_changes(backend, *kept); !changes.empty())
        backends.push_back({backend.endpoint, Difference::changed, std::move(changes)});
    }
  if (to != nullptr)
    for (const config::BackendConfig& backend : to->backends)
      if (from == nullptr || find_backend(*from, backend.endpoint) == nullptr)
        backends.push_back({.endpoint = backend.endpoint, .difference = Difference::added});
  return backends;
}

PlannedService plan_service(const std::string& name, const ServiceSide& from, const ServiceSide& to,
                            const OpenConnections& open) {
  PlannedService planned{.name = name};
  if (from.config == nullptr) planned.difference = Difference::added;
  if (to.config == nullptr) planned.difference = Difference::removed;
  planned.backends = changed_backends(from.config, to.config);
  planned.backends_unknown = to.config != nullptr && !to.config->discovery.is_static() && to.config->backends.empty();
  if (from.written != nullptr && to.written != nullptr) {
    planned.settings = setting_changes(*from.written, *to.written);
    if (!planned.backends.empty())  // which say it better
      std::erase_if(planned.settings, [](const SettingChange& change) { return change.key == kStaticList; });
  }
  const auto active = [&](const Endpoint& endpoint) {
    const auto found = open.find(BackendKey(name, endpoint));
    return found == open.end() ? 0 : found->second;
  };
  if (from.config != nullptr)
    for (const config::BackendConfig& backend : from.config->backends)
      planned.connections += fate_of(active(backend.endpoint), from, to, backend.endpoint);
  for (PlannedBackend& backend : planned.backends) backend.active = active(backend.endpoint);
  return planned;
}

toml::table without_servers(toml::table root) {
  root.erase("servers");
  return root;
}

}  // namespace

Fate& Fate::operator+=(const Fate& other) {
  kept += other.kept;
  drained += other.drained;
  moved += other.moved;
  return *this;
}

Plan make_plan(const PlanSide& from, const PlanSide& to, const OpenConnections& open) {
  Plan plan;
  const Sides were = services_of(from);
  Sides all = services_of(to);
  const Sides are = all;
  all.insert(were.begin(), were.end());
  for (const auto& [name, either] : all) {
    const auto was = were.find(name);
    const auto is = are.find(name);
    PlannedService planned = plan_service(name, was == were.end() ? ServiceSide{} : was->second,
                                          is == are.end() ? ServiceSide{} : is->second, open);
    plan.connections += planned.connections;
    const bool differs =
        planned.difference != Difference::changed || !planned.settings.empty() || !planned.backends.empty();
    if (differs) plan.services.push_back(std::move(planned));
  }
  plan.settings =
      setting_changes(without_servers(from.config.document->root), without_servers(to.config.document->root));
  return plan;
}

}  // namespace millrace::control
