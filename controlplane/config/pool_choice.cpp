// pool_choice.cpp: which SNAT pool a service has, and the automatic one.
#include <algorithm>
#include <fstream>

#include "controlplane/config/tables.h"
#include "millrace/mode_name.h"

namespace millrace::config {

namespace {

constexpr uint32_t kPortsLeast = 1024;

constexpr char kPoolExample[] =
    "[snat.lan] with addresses = [\"10.72.0.10-10.72.0.13\"], free addresses of the "
    "backends' network";

Origin snat_key(const ServiceOrigins& origins) {
  return origins.snat ? origins.snat->origin : Origin{origins.service.at, join_key(origins.service.key, "snat")};
}

// Of the kernel's own addresses a port takes some ports from the kernel, which af_xdp and pci can.
const PortConfig* port_that_cannot_share(const DataplaneConfig& dataplane) {
  const auto cannot = [](const PortConfig& port) { return port.device_kind != "af_xdp" && port.device_kind != "pci"; };
  const auto found = std::ranges::find_if(dataplane.ports, cannot);
  return found == dataplane.ports.end() ? nullptr : &*found;
}

// Null after reporting.
const SnatPoolConfig* named_pool(const Draft& draft, const Text& name, ErrorList& errors) {
  const std::vector<SnatPoolConfig>& pools = draft.config.snat_pools;
  const auto found = std::ranges::find(pools, name.text, &SnatPoolConfig::name);
  if (found != pools.end()) return &*found;
  if (!draft.pools_complete) return nullptr;
  std::vector<std::string_view> names;
  for (const SnatPoolConfig& pool : pools) names.push_back(pool.name);
  const std::string_view nearest = nearest_word(name.text, names);
  errors.add(name.origin, "there is no SNAT pool " + quote(name.text),
             names.empty()     ? "add [snat.NAME] with addresses = [\"10.72.0.10-10.72.0.13\"]"
             : nearest.empty() ? "write " + list_words(names)
                               : "did you mean " + std::string(nearest) + "?");
  return nullptr;
}

// An error about a tunnel's packets shows no port, by which an address could be shared with the kernel.
constexpr char kTunnelSource[] = "the outer packets of a tunnel come from an address that nothing else has";

// The file has none: the host's own addresses, if its ports allow that. Null after reporting.
const SnatPoolConfig* automatic_pool(Draft& draft, const ServiceOrigins& origins, Mode mode, ErrorList& errors) {
  const std::string needs =
      "mode " + std::string(mode_name(mode)) + " needs source addresses, there is no SNAT pool, and ";
  const std::string remedy =
      "add " + std::string(kPoolExample) + (mode == Mode::fullnat ? ", or write mode = \"nat\"" : "");
  if (mode == Mode::tunnel) {
    errors.add(snat_key(origins), needs + kTunnelSource, remedy);
    return nullptr;
  }
  if (const PortConfig* port = port_that_cannot_share(draft.config.dataplane)) {
    errors.add(snat_key(origins),
               needs + "the port " + quote(port->name) + " of kind " + port->device_kind +
                   " cannot share this host's own addresses with the kernel",
               remedy);
    return nullptr;
  }
  const std::optional<SnatPoolConfig::Automatic> ports = free_port_range();
  if (!ports) {
    errors.add(snat_key(origins),
               needs + "the kernel uses nearly all ports of this host's own addresses for its own connections",
               remedy + ", or leave it fewer: sysctl net.ipv4.ip_local_port_range=\"32768 49151\"");
    return nullptr;
  }
  draft.config.snat_pools.push_back({.name = "auto", .automatic = ports});
  draft.pools.emplace_back();
  return &draft.config.snat_pools.back();
}

// The pool of a service that takes one; null after reporting.
const SnatPoolConfig* choose_pool(Draft& draft, const ServiceOrigins& origins, Mode mode, ErrorList& errors) {
  if (origins.snat) return named_pool(draft, *origins.snat, errors);
  const std::vector<SnatPoolConfig>& pools = draft.config.snat_pools;
  if (!draft.pools_complete) return nullptr;
  if (pools.empty()) return automatic_pool(draft, origins, mode, errors);
  if (pools.size() == 1) return &pools.front();
  std::vector<std::string_view> names;
  for (const SnatPoolConfig& pool : pools) names.push_back(pool.name);
  errors.add(snat_key(origins), "is missing, and there are several SNAT pools", "write snat = " + list_words(names));
  return nullptr;
}

void check_pool(const ServiceConfig& service, const ServiceOrigins& origins, const SnatPoolConfig& pool,
                ErrorList& errors) {
  if (pool.automatic && service.mode == Mode::tunnel)
    errors.add(snat_key(origins), kTunnelSource, "add " + std::string(kPoolExample));
  if (pool.automatic) return;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const auto same = [family](const SnatPoolConfig::Range& range) { return range.first.family() == family; };
    if (!service.has_backend(family) || std::ranges::any_of(pool.ranges, same)) continue;
    const std::string name(family_name(family));
    errors.add(snat_key(origins),
               "the SNAT pool " + quote(pool.name) + " has no " + name + " address for the " + name + " backends",
               "add one to [snat." + pool.name + "] addresses");
  }
}

void check_automatic_pools(const Draft& draft, ErrorList& errors) {
  const Origin* first = nullptr;
  for (const PoolOrigins& pool : draft.pools) {
    if (!pool.automatic) continue;
    const Origin& origin = *pool.automatic;
    if (first != nullptr)
      errors.add(origin, "a second pool takes this host's own addresses", "one is enough: services share it");
    first = &origin;
    if (const PortConfig* port = port_that_cannot_share(draft.config.dataplane))
      errors.add(origin,
                 "the port " + quote(port->name) + " of kind " + port->device_kind +
                     " cannot share this host's own addresses with the kernel",
                 "write free addresses of the backends' network, like \"10.72.0.10-10.72.0.13\"");
  }
}

}  // namespace

std::optional<SnatPoolConfig::Automatic> free_port_range() {
  uint32_t first = 32768;
  uint32_t last = 60999;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first >> last;
  if (last > 65535 - kPortsLeast) return std::nullopt;
  return SnatPoolConfig::Automatic{static_cast<uint16_t>(last + 1), 65535};
}

bool ServiceConfig::has_backend(Family family) const {
  return std::ranges::any_of(
      backends, [family](const BackendConfig& backend) { return backend.endpoint.addr.family() == family; });
}

void choose_pools(Draft& draft, ErrorList& errors) {
  check_automatic_pools(draft, errors);
  for (size_t s = 0; s < draft.services.size(); ++s) {
    ServiceConfig& service = draft.config.services[s];
    const ServiceOrigins& origins = draft.services[s];
    if (!origins.mode_known) continue;
    if (!service.takes_source()) {
      if (origins.snat)
        errors.add(origins.snat->origin,
                   "mode " + std::string(mode_name(service.mode)) + " keeps the client's address and uses no SNAT pool",
                   "remove it or write mode = \"fullnat\"");
      continue;
    }
    const SnatPoolConfig* pool = choose_pool(draft, origins, service.mode, errors);
    if (pool == nullptr) continue;
    service.pool = pool->name;
    const auto index = static_cast<size_t>(pool - draft.config.snat_pools.data());
    if (draft.pools[index].complete) check_pool(service, origins, *pool, errors);
  }
}

}  // namespace millrace::config
