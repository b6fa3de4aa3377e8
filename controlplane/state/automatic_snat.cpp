#include "controlplane/state/automatic_snat.h"

#include <algorithm>
#include <set>

#include "controlplane/config/values.h"
#include "millrace/limits.h"

namespace millrace::control {
namespace {

using Automatic = config::SnatPoolConfig::Automatic;

// The ports of `source` that an automatic pool must leave out, in order.
std::vector<std::pair<uint16_t, uint16_t>> taken_ports(const config::Config& config, const IpAddr& source) {
  std::vector<std::pair<uint16_t, uint16_t>> taken;
  for (const config::ServiceConfig& service : config.services)
    for (const Endpoint& bind : service.binds)
      if (bind.addr == source || (bind.addr.is_any() && bind.addr.family() == source.family()))
        taken.emplace_back(bind.port.host(), bind.port.host());
  for (const config::SnatPoolConfig& pool : config.snat_pools)
    for (const config::SnatPoolConfig::Range& range : pool.ranges)
      if (range.first.family() == source.family() && range.first <= source && source <= range.last)
        taken.emplace_back(range.port_first, range.port_last);
  std::ranges::sort(taken);
  return taken;
}

}  // namespace

const config::SnatPoolConfig* find_pool(const config::Config& config, const config::ServiceConfig& service) {
  const auto found = std::ranges::find(config.snat_pools, service.pool, &config::SnatPoolConfig::name);
  return found == config.snat_pools.end() ? nullptr : &*found;
}

SourceTable find_sources(const config::Config& config,
                         const std::function<std::optional<IpAddr>(const IpAddr&)>& towards) {
  std::set<IpAddr> backends;
  for (const config::ServiceConfig& service : config.services) {
    const config::SnatPoolConfig* pool = find_pool(config, service);
    if (pool == nullptr || !pool->automatic) continue;
    for (const config::BackendConfig& backend : service.backends) backends.insert(backend.endpoint.addr);
  }
  SourceTable sources;
  for (const IpAddr& backend : backends) {
    std::optional<IpAddr> source = towards(backend);
    // To the host itself it is the address itself: such a backend is out of reach of a network card.
    if (source && (*source == backend || !config::unicast_problem(*source).empty())) source.reset();
    sources.emplace(backend, source);
  }
  return sources;
}

uint16_t AutomaticPools::pool_of(const Automatic& ports, const IpAddr& backend) {
  const auto source = sources_.find(backend);
  if (source == sources_.end() || !source->second) return kNoSnatPool;
  const auto known = numbers_.find(*source->second);
  return known != numbers_.end() ? known->second : add_pool(ports, *source->second);
}

uint16_t AutomaticPools::add_pool(const Automatic& ports, const IpAddr& source) {
  if (pools_.size() == kSnatPoolMax) return kNoSnatPool;
  const auto number = static_cast<uint16_t>(pools_.size());
  const size_t before = ranges_.size();
  const auto add_range = [&](uint32_t first, uint32_t last) {
    if (first > last || ranges_.size() - before == kSnatRangePerPoolMax) return;
    ranges_.push_back({.pool = number,
                       .port_first = static_cast<uint16_t>(first),
                       .port_last = static_cast<uint16_t>(last),
                       .first = source,
                       .last = source});
  };
  uint32_t next = ports.port_first;
  for (const auto& [first, last] : taken_ports(config_, source)) {
    if (first > ports.port_last) break;
    add_range(next, first - 1u);
    next = std::max<uint32_t>(next, last + 1u);
  }
  add_range(next, ports.port_last);
  if (ranges_.size() == before) return kNoSnatPool;
  pools_.push_back({"auto-" + format_ip(source), true});
  return numbers_[source] = number;
}

}  // namespace millrace::control
