#include "controlplane/state/desired_state.h"

#include <algorithm>

namespace millrace::control {
namespace {

// The pools of the file, each with its number there; the automatic one has no ranges and is nobody's.
void add_pools(const config::Config& config, DesiredState& state) {
  for (size_t pool = 0; pool < config.snat_pools.size(); ++pool) {
    state.snat_pools.push_back({config.snat_pools[pool].name});
    for (const config::SnatPoolConfig::Range& range : config.snat_pools[pool].ranges) {
      SnatRangeCommand command;
      command.pool = static_cast<uint16_t>(pool);
      command.port_first = range.port_first;
      command.port_last = range.port_last;
      command.first = range.first;
      command.last = range.last;
      state.snat_ranges.push_back(command);
    }
  }
}

// A backend without an address of ours towards it can get nothing.
void give_pool(DesiredBackend& backend, uint16_t pool) {
  backend.snat_pool = pool;
  if (pool != kNoSnatPool) return;
  backend.reachable = false;
  backend.health = Health::down;
}

// What checks say counts too.
void take_ejection(DesiredBackend& backend, const Ejection& ejection) {
  if (ejection.out) backend.health = Health::down;
  backend.trial = ejection.trial;
}

Health backend_health(const BackendKey& key, const config::HealthcheckConfig& check, const HealthTable& health) {
  if (!check.enabled()) return Health::up;
  const auto found = health.find(key);
  return found == health.end() ? initial_health(check) : found->second;
}

}  // namespace

Health initial_health(const config::HealthcheckConfig& check) {
  return !check.enabled() || check.initial_healthy ? Health::up : Health::down;
}

DesiredState compute_desired_state(const config::Config& config, const Overrides& overrides, const HealthTable& health,
                                   const SourceTable& sources, const EjectionTable& ejections) {
  DesiredState state;
  state.settings = config.settings;
  add_pools(config, state);
  AutomaticPools automatic(config, sources, state.snat_pools, state.snat_ranges);
  state.blocklist = config.blocklist;
  for (const config::ServiceConfig& from : config.services) {
    DesiredService& service = state.services.emplace_back();
    static_cast<ServiceSettings&>(service) = from;
    service.name = from.name;
    const config::SnatPoolConfig* pool = find_pool(config, from);
    if (pool != nullptr && !pool->automatic) service.snat_pool = static_cast<uint16_t>(pool - config.snat_pools.data());
    if (!from.may_proxy()) service.connect_timeout_ms = 0;
    service.binds = from.binds;
    service.access_rules = from.access_rules;
    for (const config::BackendConfig& backend : from.backends) {
      const BackendKey key(from.name, backend.endpoint);
      const Override said = overrides.find(key);
      service.backends.push_back(DesiredBackend{
          .endpoint = backend.endpoint,
          .weight = said.weight.value_or(backend.weight),
          .priority = backend.priority,
          .health = backend_health(key, from.healthcheck, health),
          .admin = said.admin.value_or(Admin::enabled),
          .proxy_protocol = backend.proxy_protocol,
          .connections_max = backend.connections_max,
          .host = backend.host,
      });
      if (const auto ejection = ejections.find(key); ejection != ejections.end())
        take_ejection(service.backends.back(), ejection->second);
      if (pool != nullptr && pool->automatic)
        give_pool(service.backends.back(), automatic.pool_of(*pool->automatic, backend.endpoint.addr));
    }
  }
  return state;
}

bool DesiredService::up() const { return std::ranges::any_of(backends, &DesiredBackend::eligible); }

const DesiredService* find_service(const DesiredState& state, const std::string& name) {
  const auto found = std::ranges::find(state.services, name, &DesiredService::name);
  return found == state.services.end() ? nullptr : &*found;
}

const DesiredBackend* find_backend(const DesiredService& service, const Endpoint& endpoint) {
  const auto found = std::ranges::find(service.backends, endpoint, &DesiredBackend::endpoint);
  return found == service.backends.end() ? nullptr : &*found;
}

}  // namespace millrace::control
