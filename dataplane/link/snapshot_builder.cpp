// snapshot_builder.cpp: VIP table, SNAT pools, pick tables.
#include "dataplane/link/snapshot_builder.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "dataplane/pick/pick_tables.h"

namespace millrace {
namespace {

// Good on one link only: a wildcard bind leaves them to the kernel.
bool is_link_local(const IpAddr& addr) {
  if (addr.is_ipv4()) return addr.bytes[12] == 169 && addr.bytes[13] == 254;
  return addr.bytes[0] == 0xfe && (addr.bytes[1] & 0xc0) == 0x80;
}

bool contains(const std::vector<IpAddr>& addresses, const IpAddr& addr) {
  return std::find(addresses.begin(), addresses.end(), addr) != addresses.end();
}

class VipFiller {
 public:
  VipFiller(VipTable& vips, const std::vector<IpAddr>& kernel_addresses)
      : vips_(vips), kernel_addresses_(kernel_addresses) {}

  void add_snat(const SnatRangeCommand& range) {
    const size_t before = vips_.snat_rows().size();
    vips_.add_snat_range(range.first, range.last, range.port_first, range.port_last);
    for (size_t i = before; i < vips_.snat_rows().size(); ++i) {
      const IpAddr addr = vips_.snat_rows()[i].addr;
      vips_.add_address(addr, {.is_snat = true, .kernel_owned = contains(kernel_addresses_, addr)});
    }
  }
  void add_named_binds(const DesiredService& service) {
    for (const Endpoint& bind : service.binds)
      if (!bind.addr.is_any()) add_bind(service, bind, bind.addr);
  }
  // After every named one: an address and port that a service names is its own.
  void add_wildcard_binds(const DesiredService& service) {
    for (const Endpoint& bind : service.binds) {
      if (!bind.addr.is_any()) continue;
      for (const IpAddr& addr : kernel_addresses_)
        if (addr.family() == bind.addr.family() && !is_link_local(addr)) add_bind(service, bind, addr);
    }
  }

  const std::string& conflict() const { return conflict_; }

 private:
  void add_bind(const DesiredService& service, const Endpoint& bind, const IpAddr& addr) {
    if (vips_.is_snat(addr, bind.port)) {
      if (conflict_.empty())
        conflict_ = "service " + service.name + ": its bind " + format_endpoint(bind) + " meets a SNAT range on " +
                    format_ip(addr) + "; take port " + std::to_string(bind.port.host()) + " out of [snat] ports";
      return;
    }
    if (vips_.add_service({.addr = addr, .port = bind.port, .proto = service.proto}, service.slot))
      vips_.add_address(addr, {.is_vip = true, .kernel_owned = contains(kernel_addresses_, addr)});
  }

  VipTable& vips_;
  const std::vector<IpAddr>& kernel_addresses_;
  std::string conflict_;
};

// Returns the conflict of BuiltSnapshot.
std::string fill_vips(VipTable& vips, const SnapshotInputs& inputs) {
  const DesiredModel& model = inputs.model;
  const std::vector<const DesiredService*> departed = inputs.slots.departed_services();
  VipFiller filler(vips, inputs.kernel_addresses);
  for (const SnatRangeCommand& range : model.snat_ranges) filler.add_snat(range);
  for (const DesiredService& service : model.services) filler.add_named_binds(service);
  for (const DesiredService& service : model.services) filler.add_wildcard_binds(service);
  std::string conflict = filler.conflict();
  // What is gone yields to what is configured, so it comes after it.
  for (const DesiredService* service : departed) filler.add_named_binds(*service);
  for (const DesiredService* service : departed) filler.add_wildcard_binds(*service);
  for (const SnatRangeCommand& range : inputs.departed_ranges) filler.add_snat(range);

  for (const VipKey& key : inputs.slots.nat_backends()) vips.add_nat_backend(key);
  for (const DesiredService& service : model.services) {
    if (service.mode != Mode::nat) continue;
    for (const DesiredBackend& backend : service.backends)
      vips.add_nat_backend({.addr = backend.endpoint.addr, .port = backend.endpoint.port, .proto = service.proto});
  }
  return conflict;
}

// Who gets which server name. `candidates` are the service's backends.
std::shared_ptr<const HostTable> build_hosts(const DesiredService& service,
                                             const std::vector<PickCandidate>& candidates) {
  const auto tables_for = [&](auto&& chosen) {
    std::vector<PickCandidate> some;
    for (size_t b = 0; b < candidates.size(); ++b)
      if (chosen(service.backends[b].host)) some.push_back(candidates[b]);
    return HostTable::Targets{build_pick_table(service.balance, Family::ipv4, some),
                              build_pick_table(service.balance, Family::ipv6, some)};
  };
  std::vector<HostTable::Row> rows;
  for (size_t h = 0; h < service.hosts.size(); ++h)
    rows.push_back({service.hosts[h].pattern, tables_for([h](uint16_t host) { return host == h; })});
  std::optional<HostTable::Targets> unexpected;
  if (service.unexpected_host == UnexpectedHost::fallback)
    unexpected = tables_for([](uint16_t host) { return host == kNoHost; });
  else if (service.unexpected_host == UnexpectedHost::any)
    unexpected = tables_for([](uint16_t) { return true; });
  return std::make_shared<const HostTable>(service.host_matching, std::move(rows), std::move(unexpected));
}

uint8_t pool_of(const DesiredService& service, const DesiredBackend& backend) {
  return static_cast<uint8_t>(std::min<uint32_t>(service.snat_pool_of(backend), kSnatPoolMax));
}

std::shared_ptr<const ServiceTables> build_tables(const DesiredService& service) {
  std::vector<PickCandidate> candidates;
  candidates.reserve(service.backends.size());
  for (const DesiredBackend& backend : service.backends)
    candidates.push_back({.target = {.addr = backend.endpoint.addr,
                                     .port = backend.endpoint.port,
                                     .slot = backend.slot,
                                     .weight = backend.weight,
                                     .proxy_protocol = backend.proxy_protocol,
                                     .snat_pool = pool_of(service, backend),
                                     .connections_max = backend.connections_max},
                          .priority = backend.priority,
                          .eligible = backend.eligible()});
  auto tables = std::make_shared<ServiceTables>(ServiceTables{service});
  tables->slot = service.slot;
  tables->name = service.name;
  if (service.mode == Mode::tunnel) {
    // Either family goes through a tunnel of either.
    tables->ipv4 = tables->ipv6 = build_pick_table(service.balance, candidates);
  } else {
    tables->ipv4 = build_pick_table(service.balance, Family::ipv4, candidates);
    tables->ipv6 = build_pick_table(service.balance, Family::ipv6, candidates);
  }
  tables->access = service.access.table;
  if (service.host_matching != HostMatching::none) tables->hosts = build_hosts(service, candidates);
  return tables;
}

}  // namespace

BuiltSnapshot SnapshotBuilder::build(const SnapshotInputs& inputs) {
  const DesiredModel& model = inputs.model;
  auto snapshot = std::make_unique<Snapshot>();
  snapshot->generation = model.generation;
  snapshot->settings = model.settings;
  snapshot->blocklist = model.blocklist;
  for (const SnatRangeCommand& range : model.snat_ranges) {
    SnatPool& pool = snapshot->snat_pools[range.pool];
    (range.first.is_ipv4() ? pool.ipv4 : pool.ipv6)
        .push_back({range.first, range.last, range.port_first, range.port_last});
  }
  std::string conflict = fill_vips(snapshot->vips, inputs);

  snapshot->services.resize(kServiceMax);
  std::vector<bool> used(kServiceMax);
  const auto place = [&](const DesiredService& service) {
    snapshot->services[raw(service.slot)] = tables_of(service);
    snapshot->any_spliced = snapshot->any_spliced || may_proxy(service.mode, service.syn_proxy);
    snapshot->any_packet_rate = snapshot->any_packet_rate || limits_packets(service);
    used[raw(service.slot)] = true;
  };
  for (const DesiredService& service : model.services) place(service);
  for (const DesiredService* service : inputs.slots.departed_services()) place(*service);
  for (size_t slot = 0; slot < built_.size(); ++slot)
    if (!used[slot]) built_[slot] = {};
  return {std::move(snapshot), std::move(conflict)};
}

std::shared_ptr<const ServiceTables> SnapshotBuilder::tables_of(const DesiredService& service) {
  built_.resize(kServiceMax);
  Built& built = built_[raw(service.slot)];
  if (!built.tables || !(built.from == service)) built = {service, build_tables(service)};
  return built.tables;
}

std::unique_ptr<Snapshot> SnapshotBuilder::with_changed(const Snapshot& current,
                                                        const std::vector<const DesiredService*>& changed) {
  auto snapshot = std::make_unique<Snapshot>(current);
  for (const DesiredService* service : changed) snapshot->services[raw(service->slot)] = tables_of(*service);
  return snapshot;
}

}  // namespace millrace
