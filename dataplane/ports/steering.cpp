// steering.cpp: see the header. Keeps a copy of what the maps hold and writes only what differs.
#include "dataplane/ports/steering.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>

#include "dataplane/bpf/steer_loader.h"
#include "dataplane/bpf/steer_maps.h"

namespace millrace {

namespace {

static_assert(sizeof(steer_endpoint) == sizeof(VipKey) && sizeof(steer_address_key) == sizeof(IpAddr));

template <typename Value>
struct ByBytes {
  bool operator()(const Value& left, const Value& right) const { return std::memcmp(&left, &right, sizeof left) < 0; }
};

bool equal_bytes(const auto& left, const auto& right) { return std::memcmp(&left, &right, sizeof left) == 0; }

// One map of the kernel and our copy of it.
template <typename Key, typename Value>
class Mirror {
 public:
  using Rows = std::map<Key, Value, ByBytes<Key>>;

  // Reads what is there: a take-over finds the entries of the dataplane that died.
  void open(int fd, const char* name) {
    fd_ = fd;
    name_ = name;
    Key key{};
    for (bool more = bpf_map_get_next_key(fd_, nullptr, &key) == 0; more;) {
      Value value{};
      if (bpf_map_lookup_elem(fd_, &key, &value) == 0) rows_.emplace(key, value);
      Key next{};
      more = bpf_map_get_next_key(fd_, &key, &next) == 0;
      key = next;
    }
  }

  // Adds or changes. On failure the map is as before the call.
  bool put(const Rows& wanted, std::string& error) {
    Rows changed;  // with their old values; what was not there is in `added`
    std::vector<Key> added;
    for (const auto& [key, value] : wanted) {
      const auto row = rows_.find(key);
      if (row != rows_.end() && equal_bytes(row->second, value)) continue;
      if (bpf_map_update_elem(fd_, &key, &value, BPF_ANY) != 0) {
        error = std::string("the XDP program's map ") + name_ + " refuses an entry: " + std::strerror(errno);
        for (const Key& gone : added) erase(gone);
        for (const auto& [old_key, old_value] : changed) write(old_key, old_value);
        return false;
      }
      if (row == rows_.end())
        added.push_back(key);
      else
        changed.emplace(key, row->second);
      rows_[key] = value;
    }
    return true;
  }

  void remove_others(const Rows& wanted) {
    std::vector<Key> gone;
    for (const auto& [key, value] : rows_)
      if (!wanted.contains(key)) gone.push_back(key);
    for (const Key& key : gone) erase(key);
  }

  const Rows& rows() const { return rows_; }

 private:
  void erase(const Key& key) {
    bpf_map_delete_elem(fd_, &key);
    rows_.erase(key);
  }
  void write(const Key& key, const Value& value) {
    if (bpf_map_update_elem(fd_, &key, &value, BPF_ANY) == 0) rows_[key] = value;
  }

  int fd_ = -1;
  const char* name_ = "";
  Rows rows_;
};

using EndpointRows = Mirror<steer_endpoint, uint32_t>::Rows;
using AddressRows = Mirror<steer_address_key, steer_address>::Rows;
using HostRows = Mirror<steer_address_key, uint32_t>::Rows;

steer_endpoint to_endpoint(const VipKey& key) {
  steer_endpoint endpoint{};
  std::memcpy(endpoint.addr, key.addr.bytes.data(), sizeof endpoint.addr);
  endpoint.port_be = key.port.raw;
  endpoint.proto = static_cast<uint8_t>(key.proto);
  return endpoint;
}

steer_address_key to_key(const IpAddr& addr) {
  steer_address_key key{};
  std::memcpy(key.addr, addr.bytes.data(), sizeof key.addr);
  return key;
}

bool add_range(steer_address& address, const steer_port_range& range) {
  for (uint32_t i = 0; i < address.range_count; ++i)
    if (equal_bytes(address.ranges[i], range)) return true;
  if (address.range_count == steer_range_max) return false;
  address.ranges[address.range_count++] = range;
  return true;
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
  Mirror<steer_endpoint, uint32_t> services;
  Mirror<steer_endpoint, uint32_t> backends;
  Mirror<steer_address_key, steer_address> addresses;
  Mirror<steer_address_key, uint32_t> host;
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

void Steering::set_host_addresses(const std::vector<IpAddr>& addresses) {
  if (!state_->active) return;
  HostRows rows;
  for (const IpAddr& addr : addresses) rows.emplace(to_key(addr), 1);
  std::string error;  // beyond steer_host_max addresses, the rest are treated as other hosts'
  state_->host.put(rows, error);
  state_->host.remove_others(rows);
}

}  // namespace millrace
