#include "controlplane/discovery/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "controlplane/config/error_text.h"
#include "controlplane/config/host_pattern.h"
#include "controlplane/state/automatic_snat.h"
#include "millrace/limits.h"
#include "millrace/mode_name.h"

namespace millrace::control {
namespace {

bool holds(const config::SnatPoolConfig::Range& range, const Endpoint& endpoint) {
  const uint16_t port = endpoint.port.host();
  return range.first <= endpoint.addr && endpoint.addr <= range.last && range.port_first <= port &&
         port <= range.port_last;
}

// The server names of one service's backends.
class Hosts {
 public:
  explicit Hosts(HostMatching matching) : matching_(matching) {}

  // Puts the name as the dataplane wants it. Empty: it can have it; otherwise why not.
  std::string settle(std::string& host) {
    if (matching_ == HostMatching::none) host.clear();  // registries name them whether anybody asks or not
    if (host.empty()) return {};
    if (matching_ == HostMatching::exact) std::ranges::transform(host, host.begin(), lower);
    const auto [known, added] = problems_.try_emplace(host);
    if (!added) return known->second;
    if (problems_.size() > kHostPatternMax)
      known->second = fmt::format("brings more than {} different server names", kHostPatternMax);
    else if (const HostPattern::Compiled compiled = HostPattern::compile(matching_, host); !compiled.pattern)
      known->second = fmt::format("has the server name {}: {}", config::quote(host), compiled.problem);
    return known->second;
  }

 private:
  static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

  HostMatching matching_;
  std::map<std::string, std::string> problems_;  // by name
};

// A pool of written ranges needs an address of the backend's family.
bool lacks_source(const config::SnatPoolConfig* pool, Family family) {
  if (pool == nullptr || pool->automatic) return false;
  return std::ranges::none_of(pool->ranges, [family](const auto& range) { return range.first.family() == family; });
}

// Of settings beside the address.
std::string option_problem(const config::ServiceConfig& service, const config::BackendConfig& backend) {
  if (backend.proxy_protocol != ProxyProtocol::none && !service.always_proxies())
    return "has proxy_protocol=, but the service's connections are not proxied";
  if (!is_direct(service.mode)) return {};
  if (backend.connections_max != 0)
    return fmt::format("has max_connections=, which nobody can count in mode {}", mode_name(service.mode));
  if (!service.binds.empty() && service.binds.front().port != backend.endpoint.port)
    return fmt::format("has another port than the bind, and packets keep theirs in mode {}", mode_name(service.mode));
  return {};
}

}  // namespace

Admission::Admission(const config::Config& config) : config_(config) {
  for (const config::ServiceConfig& service : config.services) {
    for (const Endpoint& bind : service.binds) binds_.emplace(service.proto, bind.addr, bind.port.host());
    if (service.discovery.is_static()) backend_count_ += service.backends.size();
  }
}

std::string Admission::endpoint_problem(const config::ServiceConfig& service, const Endpoint& endpoint) const {
  if (binds_.contains({service.proto, endpoint.addr, endpoint.port.host()}))
    return "is a bind of a service: packets would go in circles";
  for (const config::SnatPoolConfig& pool : config_.snat_pools)
    if (std::ranges::any_of(pool.ranges, [&](const auto& range) { return holds(range, endpoint); }))
      return fmt::format("lies inside the SNAT pool {}", pool.name);
  const config::SnatPoolConfig* pool = service.takes_source() ? find_pool(config_, service) : nullptr;
  if (lacks_source(pool, endpoint.addr.family()))
    return fmt::format("needs an {} address, and the SNAT pool {} has none",
                       config::family_name(endpoint.addr.family()), pool->name);
  return {};
}

std::vector<config::BackendConfig> Admission::admit(const config::ServiceConfig& service,
                                                    const std::vector<config::BackendConfig>& found,
                                                    std::set<std::string>& refused) {
  std::vector<config::BackendConfig> admitted;
  Hosts hosts(service.host_matching);
  size_t too_many = 0;
  for (const config::BackendConfig& candidate : found) {
    if (admitted.size() == kBackendPerServiceMax || backend_count_ == kBackendMax) {
      ++too_many;
      continue;
    }
    config::BackendConfig backend = candidate;
    if (backend.proxy_protocol == ProxyProtocol::none) backend.proxy_protocol = service.proxy_protocol;
    std::string problem = endpoint_problem(service, backend.endpoint);
    if (problem.empty()) problem = option_problem(service, backend);
    if (problem.empty()) problem = hosts.settle(backend.host);
    if (!problem.empty()) {
      refused.insert(format_endpoint(backend.endpoint) + " " + problem);
      continue;
    }
    admitted.push_back(std::move(backend));
    ++backend_count_;
  }
  if (too_many != 0)
    refused.insert(fmt::format("{} of them are over the limits of {} backends a service and {} in all", too_many,
                               kBackendPerServiceMax, kBackendMax));
  return admitted;
}

}  // namespace millrace::control
