// validate.cpp: mistakes that show only when two tables are seen together.
// Bound:  each check is a sort or a map over all binds, backends and ranges, never pairs of services.
#include <algorithm>
#include <map>
#include <tuple>

#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

std::string place(const Origin& origin) { return origin.key + " in line " + std::to_string(origin.at.line); }

// What a packet must show to be a service's.
struct ListenKey {
  Proto proto{};
  uint16_t port = 0;
  IpAddr addr;
  auto operator<=>(const ListenKey&) const = default;
};

ListenKey listen_key(const ServiceConfig& service, const Endpoint& endpoint) {
  return {service.proto, endpoint.port.host(), endpoint.addr};
}

using ListenMap = std::map<ListenKey, const Origin*>;

// The bind of every key, the first where there are two; reports the second.
ListenMap check_binds(const Draft& draft, ErrorList& errors) {
  ListenMap listeners;
  for (size_t s = 0; s < draft.services.size(); ++s) {
    const ServiceConfig& service = draft.config.services[s];
    for (size_t b = 0; b < service.binds.size(); ++b) {
      const Origin& origin = draft.services[s].binds[b];
      const auto [found, added] = listeners.try_emplace(listen_key(service, service.binds[b]), &origin);
      if (!added)
        errors.add(origin, format_endpoint(service.binds[b]) + " is bound already by " + place(*found->second),
                   "use another address, port or protocol");
    }
  }
  // A wildcard takes the port of every address, so a bind of one address beside it would be ambiguous.
  for (const auto& [key, origin] : listeners) {
    if (key.addr.is_any()) continue;
    ListenKey wildcard = key;
    wildcard.addr = key.addr.is_ipv4() ? IpAddr::from_ipv4(Be32{}) : IpAddr{};
    if (const auto found = listeners.find(wildcard); found != listeners.end()) {
      const bool wildcard_first = found->second->at < origin->at;
      const Origin& later = wildcard_first ? *origin : *found->second;
      const Origin& earlier = wildcard_first ? *found->second : *origin;
      errors.add(later,
                 format_endpoint({key.addr, Be16::from_host(key.port)}) + " and every address with port " +
                     std::to_string(key.port) + " are both bound, the other by " + place(earlier),
                 "bind single addresses only, or every address only");
    }
  }
  return listeners;
}

struct PlacedRange {
  const SnatPoolConfig::Range* range;
  const Origin* origin;
};

// Every range of every pool, by first address; reports those that share an address and a port.
std::vector<PlacedRange> check_pools(const Draft& draft, ErrorList& errors) {
  std::vector<PlacedRange> placed;
  for (size_t p = 0; p < draft.pools.size(); ++p)
    for (size_t r = 0; r < draft.pools[p].ranges.size(); ++r)
      placed.push_back({&draft.config.snat_pools[p].ranges[r], &draft.pools[p].ranges[r]});
  std::sort(placed.begin(), placed.end(),
            [](const PlacedRange& a, const PlacedRange& b) { return a.range->first < b.range->first; });
  for (size_t i = 0; i < placed.size(); ++i) {
    for (size_t j = i + 1; j < placed.size() && placed[j].range->first <= placed[i].range->last; ++j) {
      const bool ports_meet = placed[i].range->port_first <= placed[j].range->port_last &&
                              placed[j].range->port_first <= placed[i].range->port_last;
      if (!ports_meet) continue;
      const bool in_order = placed[i].origin->at < placed[j].origin->at;
      errors.add(in_order ? *placed[j].origin : *placed[i].origin,
                 "shares addresses and ports with " + place(in_order ? *placed[i].origin : *placed[j].origin),
                 "give each pool its own addresses or its own ports");
      break;  // one error per range says it
    }
  }
  return placed;
}

// The range that holds the endpoint; null: none.
const Origin* find_range(const std::vector<PlacedRange>& placed, const Endpoint& endpoint) {
  const uint16_t port = endpoint.port.host();
  for (const PlacedRange& entry : placed) {
    if (endpoint.addr < entry.range->first) return nullptr;
    if (endpoint.addr <= entry.range->last && port >= entry.range->port_first && port <= entry.range->port_last)
      return entry.origin;
  }
  return nullptr;
}

void check_against_pools(const Draft& draft, const std::vector<PlacedRange>& placed, ErrorList& errors) {
  const auto check = [&](const Endpoint& endpoint, const Origin& origin) {
    if (const Origin* range = find_range(placed, endpoint))
      errors.add(origin, format_endpoint(endpoint) + " lies inside the SNAT range " + place(*range),
                 "use another address or port, or leave the port out of the pool's ports");
  };
  for (size_t s = 0; s < draft.services.size(); ++s) {
    const ServiceConfig& service = draft.config.services[s];
    for (size_t i = 0; i < service.binds.size(); ++i) check(service.binds[i], draft.services[s].binds[i]);
    for (size_t i = 0; i < service.backends.size(); ++i)
      check(service.backends[i].endpoint, draft.services[s].backends[i]);
  }
}

void check_backends(const Draft& draft, const ListenMap& listeners, ErrorList& errors) {
  size_t total = 0;
  for (size_t s = 0; s < draft.services.size(); ++s) {
    const ServiceConfig& service = draft.config.services[s];
    const ServiceOrigins& origins = draft.services[s];
    std::map<ListenKey, const Origin*> seen;
    for (size_t b = 0; b < service.backends.size(); ++b) {
      const Endpoint& endpoint = service.backends[b].endpoint;
      const ListenKey key = listen_key(service, endpoint);
      if (const auto [found, added] = seen.try_emplace(key, &origins.backends[b]); !added)
        errors.add(origins.backends[b], format_endpoint(endpoint) + " is listed already as " + place(*found->second),
                   "list each backend once; weight=N gives it a larger share");
      if (const auto found = listeners.find(key); found != listeners.end())
        errors.add(
            origins.backends[b],
            format_endpoint(endpoint) + " is a bind of " + place(*found->second) + ": packets would go in circles",
            "write the backends of that service here");
    }
    const size_t before = total;
    total += service.backends.size();
    if (before <= kBackendMax && total > kBackendMax)
      errors.add(origins.service, "brings the number of backends of all services to " + std::to_string(total),
                 "define at most " + std::to_string(kBackendMax));
  }
}

// A client and its backend speak the same family; no packet is translated between them. A tunnel may be of the other.
void check_families(const Draft& draft, ErrorList& errors) {
  for (size_t s = 0; s < draft.services.size(); ++s) {
    const ServiceConfig& service = draft.config.services[s];
    const ServiceOrigins& origins = draft.services[s];
    if (!origins.backends_complete || service.backends.empty() || service.mode == Mode::tunnel) continue;
    for (size_t b = 0; b < service.binds.size(); ++b) {
      const Family family = service.binds[b].addr.family();
      if (!service.has_backend(family))
        errors.add(origins.binds[b],
                   "no " + std::string(family_name(family)) + " backend: clients of " +
                       format_endpoint(service.binds[b]) + " would all be dropped",
                   "add an " + std::string(family_name(family)) + " backend or remove the bind");
    }
  }
}

void check_access_rules(const Draft& draft, ErrorList& errors) {
  size_t total = 0;
  for (size_t s = 0; s < draft.services.size(); ++s) {
    const AccessRules& rules = draft.config.services[s].access_rules;
    const size_t before = total;
    total += rules ? rules->size() : 0;
    if (before <= kAccessRuleMax && total > kAccessRuleMax)
      errors.add(draft.services[s].service, "brings the access rules of all services to " + std::to_string(total),
                 "write at most " + std::to_string(kAccessRuleMax));
  }
}

void check_room_for_splices(const Draft& draft, ErrorList& errors) {
  if (draft.config.dataplane.proxy) return;
  for (size_t s = 0; s < draft.services.size(); ++s) {
    const std::optional<Origin>& proxied = draft.services[s].proxied;
    if (!proxied) continue;
    const bool by_mode = draft.config.services[s].mode == Mode::proxy;
    errors.add(*proxied, place(draft.dataplane_proxy) + " is false: there is no room for proxied connections",
               "write proxy = true there, or " + std::string(by_mode ? "mode = \"fullnat\"" : "syn_proxy = \"off\"") +
                   " here");
  }
}

}  // namespace

void validate_draft(Draft& draft, ErrorList& errors) {
  const ListenMap listeners = check_binds(draft, errors);
  const std::vector<PlacedRange> placed = check_pools(draft, errors);
  check_against_pools(draft, placed, errors);
  check_backends(draft, listeners, errors);
  check_families(draft, errors);
  choose_pools(draft, errors);
  check_access_rules(draft, errors);
  check_room_for_splices(draft, errors);
}

}  // namespace millrace::config
