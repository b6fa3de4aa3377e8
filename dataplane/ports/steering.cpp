// steering.cpp: see the header. Keeps a copy of what the maps hold and writes only what differs.
#include "dataplane/ports/steering.h"

#include <spdlog/spdlog.h>

#include <cstring>
#include <stdexcept>
#include <utility>

#include "dataplane/bpf/steer_loader.h"
#include "dataplane/bpf/steer_maps.h"
#include "dataplane/ports/map_mirror.h"
#include "dataplane/ports/steer_rows.h"
#include "dataplane/ports/xdp_blocklist.h"

namespace millrace {

namespace {

static_assert(sizeof(steer_endpoint) == sizeof(VipKey));

using EndpointRows = MapMirror<steer_endpoint, uint32_t>::Rows;
using AddressRows = MapMirror<steer_address_key, steer_address>::Rows;
using HostRows = MapMirror<steer_address_key, uint32_t>::Rows;

steer_endpoint to_endpoint(const VipKey& key) {
  steer_endpoint endpoint{};
  std::memcpy(endpoint.addr, key.addr.bytes.data(), sizeof endpoint.addr);
  endpoint.port_be = key.port.raw;
  endpoint.proto = static_cast<uint8_t>(key.proto);
  return endpoint;
}

EndpointRows service_rows(const VipTable& table) {
  EndpointRows rows;
  for (const VipTable::ServiceRow& row : table.services()) rows.emplace(to_endpoint(row.key), 1);
  return rows;
}

EndpointRows backend_rows(const VipTable& table) {
  EndpointRows rows;
  for (const VipKey& key : table.nat_backends()) rows.emplace(to_endpoint(key), 1);
  return rows;
}

bool address_rows(const VipTable& table, AddressRows& rows, std::string& error) {
  for (const VipTable::AddressRow& row : table.addresses())
    rows[to_key(row.addr)].whole = row.owned.kernel_owned ? 0 : 1;
  for (const VipTable::SnatRow& row : table.snat_rows()) {
    const auto address = rows.find(to_key(row.addr));
    if (address == rows.end() || address->second.whole != 0) continue;  // its ports are ours anyway
    if (add_range(address->second, {row.port_first, row.port_last})) continue;
    error = "address " + format_ip(row.addr) + " is the kernel's and has more than " + std::to_string(steer_range_max) +
            " SNAT port ranges; join them";
    return false;
  }
  return true;
}

// While both configurations are live an address is whatever it is in either. Ranges that do not fit both give way to
// the new ones.
void widen(AddressRows& wanted, const AddressRows& held) {
  for (auto& [key, address] : wanted) {
    const auto old = held.find(key);
    if (old == held.end()) continue;
    steer_address both = address;
    both.whole |= old->second.whole;
    bool fits = true;
    for (uint32_t i = 0; i < old->second.range_count; ++i) fits = fits && add_range(both, old->second.ranges[i]);
    if (fits) address = both;
  }
}

}  // namespace

struct Steering::State {
  SteerMaps maps;
  MapMirror<steer_endpoint, uint32_t> services;
  MapMirror<steer_endpoint, uint32_t> backends;
  MapMirror<steer_address_key, steer_address> addresses;
  MapMirror<steer_address_key, uint32_t> host;
  XdpBlocklist blocklist;
  bool active = false;  // there is an af_xdp port
};

Steering::Steering(const std::vector<Port>& ports) : state_(std::make_unique<State>()) {
  for (const Port& port : ports) {
    if (port.kind != DeviceKind::af_xdp) continue;
    // All our programs share their maps, so the first port's are everybody's.
    // "af_xdp:eth1": the program is on the device, while the kernel's side of a VLAN is an interface of its own.
    const std::string name = port.device.substr(port.device.find(':') + 1);
    std::optional<SteerMaps> maps = find_steer_maps(name);
    if (!maps)
      throw std::runtime_error("port " + port.name + ": somebody took our XDP program off " + name + "; start again");
    state_->maps = std::move(*maps);
    state_->services.open(state_->maps.services, STEER_SERVICES_MAP);
    state_->backends.open(state_->maps.backends, STEER_BACKENDS_MAP);
    state_->addresses.open(state_->maps.addresses, STEER_ADDRESSES_MAP);
    state_->host.open(state_->maps.host, STEER_HOST_MAP);
    state_->blocklist.open(state_->maps);
    state_->active = true;
    return;
  }
}

Steering::~Steering() = default;

bool Steering::add(const VipTable& wanted, std::string& error) {
  if (!state_->active) return true;
  AddressRows addresses;
  if (!address_rows(wanted, addresses, error)) return false;
  widen(addresses, state_->addresses.rows());
  // What an earlier map took before a later one refused stays until the next remove_others(): it only makes the
  // dataplane see packets that it diverts.
  return state_->services.put(service_rows(wanted), error) && state_->backends.put(backend_rows(wanted), error) &&
         state_->addresses.put(addresses, error);
}

void Steering::remove_others(const VipTable& wanted) {
  if (!state_->active) return;
  std::string error;
  AddressRows addresses;
  if (address_rows(wanted, addresses, error)) {
    state_->addresses.put(addresses, error);
    state_->addresses.remove_others(addresses);
  }
  state_->services.remove_others(service_rows(wanted));
  state_->backends.remove_others(backend_rows(wanted));
}

void Steering::set_blocklist(const Blocklist* blocklist, const VipTable& vips) {
  std::string error;
  if (!state_->active || state_->blocklist.follow(blocklist, vips, error)) return;
  spdlog::warn("{}; what is missing there of the blocklist is dropped by the workers", error);
}

uint64_t Steering::blocked() const { return state_->active ? state_->blocklist.dropped() : 0; }

void Steering::set_host_addresses(const std::vector<IpAddr>& addresses) {
  if (!state_->active) return;
  HostRows rows;
  for (const IpAddr& addr : addresses) rows.emplace(to_key(addr), 1);
  std::string error;  // beyond steer_host_max addresses, the rest are treated as other hosts'
  state_->host.put(rows, error);
  state_->host.remove_others(rows);
}

}  // namespace millrace
