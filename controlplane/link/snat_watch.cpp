#include "controlplane/link/snat_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "controlplane/config/values.h"
#include "controlplane/link/directory.h"

namespace millrace::control {
namespace {

bool takes_ports(Mode mode) { return mode == Mode::fullnat || mode == Mode::proxy; }

// What a connection's port is taken from, and towards whom.
struct Towards {
  uint16_t pool = 0;
  Proto proto{};
  Endpoint backend;
  BackendSlot slot{};

  auto key() const { return std::tuple(pool, backend.addr.family(), backend.addr, backend.port.raw, proto); }
};

// Of backends that do not have their service's.
std::map<BackendKey, uint16_t> read_own_pools(const DesiredState& state) {
  std::map<BackendKey, uint16_t> pools;
  for (const DesiredService& service : state.services)
    for (const DesiredBackend& backend : service.backends)
      if (backend.snat_pool != kNoSnatPool)
        pools.emplace(BackendKey(service.name, backend.endpoint), backend.snat_pool);
  return pools;
}

bool uses_pool(const DesiredService& service, uint16_t pool) {
  const auto its_own = [pool](const DesiredBackend& backend) { return backend.snat_pool == pool; };
  return takes_ports(service.mode) && (service.snat_pool == pool || std::ranges::any_of(service.backends, its_own));
}

// Sorted, so that services that share a pool and a backend stand together.
std::vector<Towards> read_targets(const Segment& segment, const DesiredState& state) {
  std::unordered_map<std::string, const DesiredService*> by_name;
  for (const DesiredService& service : state.services)
    if (takes_ports(service.mode)) by_name.emplace(service.name, &service);
  std::unordered_map<uint16_t, const DesiredService*> by_slot;
  for (const ServiceRow& row : read_services(segment))
    if (const auto found = by_name.find(row.name); found != by_name.end())
      by_slot.emplace(static_cast<uint16_t>(raw(row.slot)), found->second);
  const std::map<BackendKey, uint16_t> own_pools = read_own_pools(state);
  const auto pool_of = [&own_pools](const DesiredService& service, const Endpoint& backend) {
    const auto own = own_pools.find(BackendKey(service.name, backend));
    return own == own_pools.end() ? service.snat_pool : own->second;
  };
  std::vector<Towards> targets;
  for (const BackendRow& row : read_backends(segment))
    if (const auto found = by_slot.find(static_cast<uint16_t>(raw(row.service))); found != by_slot.end())
      targets.push_back({pool_of(*found->second, row.endpoint), found->second->proto, row.endpoint, row.slot});
  std::ranges::sort(targets, {}, &Towards::key);
  return targets;
}

// Pools of the state, each as far as it has addresses of the family.
std::vector<SnatUse> describe_pools(const DesiredState& state) {
  std::vector<SnatUse> uses;
  for (uint16_t pool = 0; pool < state.snat_pools.size(); ++pool) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      SnatUse use{.pool = state.snat_pools[pool].name,
                  .number = pool,
                  .automatic = state.snat_pools[pool].automatic,
                  .family = family};
      for (const SnatRangeCommand& range : state.snat_ranges) {
        if (range.pool != pool || range.first.family() != family) continue;
        const uint64_t addresses = config::address_count({range.first, range.last});
        // An automatic pool's ranges are parts of one address.
        use.address_count = use.automatic ? 1 : use.address_count + addresses;
        use.port_count += addresses * (range.port_last - range.port_first + 1u);
      }
      for (const DesiredService& service : state.services)
        if (uses_pool(service, pool)) use.services.push_back(service.name);
      if (use.port_count != 0) uses.push_back(std::move(use));
    }
  }
  return uses;
}

// Those that stand for one port space: from `first` to the end that is returned.
size_t end_of_run(const std::vector<Towards>& targets, size_t first) {
  size_t end = first;
  while (end < targets.size() && targets[end].key() == targets[first].key()) ++end;
  return end;
}

void add_run(SnatUse& use, const Segment& segment, const std::vector<Towards>& targets, size_t first, size_t end) {
  uint64_t sum = 0;
  uint64_t most = 0;
  for (uint32_t worker = 0; worker < segment.worker_count(); ++worker) {
    uint64_t here = 0;
    for (size_t i = first; i < end; ++i) here += segment.backend_counters(worker, raw(targets[i].slot)).active.read();
    sum += here;
    most = std::max(most, here);
  }
  use.connections += sum;
  const double ports_of_worker = static_cast<double>(use.port_count) / segment.worker_count();
  const double share = std::min(1.0, static_cast<double>(most) / ports_of_worker);
  if (sum == 0 || share < use.share) return;
  use.share = share;
  use.fullest = SnatTarget{.backend = targets[first].backend, .proto = targets[first].proto, .in_use = sum};
}

SnatLevel level_of(double share, const std::optional<double>& full_in_s) {
  if (share >= kSnatNearlyFull) return SnatLevel::nearly_full;
  if (share >= kSnatFilling) return SnatLevel::filling;
  const bool soon = full_in_s && *full_in_s <= kSnatForecastS;
  return soon && share >= kSnatForecastFrom ? SnatLevel::filling : SnatLevel::ok;
}

void tell_level(const SnatUse& use, bool higher) {
  const char* family = use.family == Family::ipv4 ? "ipv4" : "ipv6";
  const auto percent = static_cast<unsigned>(use.share * 100);
  if (!higher) {
    spdlog::info("SNAT pool {} ({}): {}% in use, {}", use.pool, family, percent, snat_level_name(use.level));
    return;
  }
  const std::string towards = use.fullest ? format_endpoint(use.fullest->backend) : "its backends";
  const std::string forecast =
      use.full_in_s ? fmt::format(", full in {:.0f} s if it goes on growing so", *use.full_in_s) : std::string();
  const std::string remedy = use.automatic ? std::string("write [snat.NAME] with addresses of its own")
                                           : fmt::format("add addresses to [snat.{}]", use.pool);
  spdlog::warn("SNAT pool {} ({}): {}% in use towards {}{}: {}, or add backends", use.pool, family, percent, towards,
               forecast, remedy);
}

}  // namespace

const char* snat_level_name(SnatLevel level) {
  switch (level) {
    case SnatLevel::ok:
      return "ok";
    case SnatLevel::filling:
      return "filling";
    case SnatLevel::nearly_full:
      return "nearly_full";
  }
  return "unknown";
}

void SnatWatch::sample(const std::shared_ptr<const Segment>& segment, const DesiredState& state, uint64_t now_ms) {
  uses_ = describe_pools(state);
  if (segment && !uses_.empty()) {
    const std::vector<Towards> targets = read_targets(*segment, state);
    for (size_t first = 0; first < targets.size();) {
      const size_t end = end_of_run(targets, first);
      const Towards& target = targets[first];
      for (SnatUse& use : uses_)
        if (use.number == target.pool && use.family == target.backend.addr.family())
          add_run(use, *segment, targets, first, end);
      first = end;
    }
  }
  std::map<std::pair<std::string, Family>, Past> kept;
  for (SnatUse& use : uses_) {
    Past& past = kept[{use.pool, use.family}] = std::move(past_[{use.pool, use.family}]);
    judge(use, past, now_ms);
  }
  past_ = std::move(kept);
}

void SnatWatch::judge(SnatUse& use, Past& past, uint64_t now_ms) {
  past.readings.push_back({now_ms, use.share});
  while (now_ms - past.readings.front().time_ms > kSnatTrendMs) past.readings.pop_front();
  const Reading& oldest = past.readings.front();
  const double grown = use.share - oldest.share;
  if (grown > 0 && now_ms - oldest.time_ms >= kSnatTrendLeastMs)
    use.full_in_s = (1 - use.share) * static_cast<double>(now_ms - oldest.time_ms) / 1000 / grown;
  use.peak = past.peak = std::max(past.peak, use.share);
  use.level = level_of(use.share, use.full_in_s);
  if (use.level < past.level) use.level = std::min(past.level, level_of(use.share + kSnatHysteresis, use.full_in_s));
  if (use.level != past.level) tell_level(use, use.level > past.level);
  past.level = use.level;
}

}  // namespace millrace::control
