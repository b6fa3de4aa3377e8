// vip_table.cpp: three hash indexes over plain rows.
#include "dataplane/pick/vip_table.h"

#include "dataplane/pick/flow_hash.h"

namespace millrace {
namespace {

uint64_t hash_of(const IpAddr& addr) { return hash_endpoint(addr, Be16{}, 0); }
uint64_t hash_of(const VipKey& key) { return hash_endpoint(key.addr, key.port, static_cast<uint64_t>(key.proto)); }

const VipKey& key_of(const VipTable::ServiceRow& row) { return row.key; }
const IpAddr& key_of(const VipTable::AddressRow& row) { return row.addr; }
const IpAddr& key_of(const VipTable::SnatRow& row) { return row.addr; }
const VipKey& key_of(const VipKey& row) { return row; }
const IpAddr& key_of(const IpAddr& row) { return row; }

// The first row of `key` that `wanted` accepts, or null.
template <typename Row, typename Key, typename Wanted>
const Row* find_row(const std::vector<uint32_t>& index, const std::vector<Row>& rows, const Key& key, Wanted wanted) {
  if (index.empty()) return nullptr;
  const size_t mask = index.size() - 1;
  for (size_t slot = hash_of(key) & mask; index[slot] != 0; slot = (slot + 1) & mask) {
    const Row& row = rows[index[slot] - 1];
    if (key_of(row) == key && wanted(row)) return &row;
  }
  return nullptr;
}

template <typename Row>
const Row* find_row(const std::vector<uint32_t>& index, const std::vector<Row>& rows, const auto& key) {
  return find_row(index, rows, key, [](const Row&) { return true; });
}

void place_row(std::vector<uint32_t>& index, const auto& key, size_t row) {
  const size_t mask = index.size() - 1;
  size_t slot = hash_of(key) & mask;
  while (index[slot] != 0) slot = (slot + 1) & mask;
  index[slot] = static_cast<uint32_t>(row + 1);
}

// Appends a row; the index doubles before it is more than half full.
template <typename Row>
void append_row(std::vector<uint32_t>& index, std::vector<Row>& rows, const Row& row) {
  rows.push_back(row);
  if (rows.size() * 2 <= index.size()) return place_row(index, key_of(row), rows.size() - 1);
  index.assign(index.empty() ? 16 : index.size() * 2, 0);
  for (size_t i = 0; i < rows.size(); ++i) place_row(index, key_of(rows[i]), i);
}

// The address after `addr`. SNAT ranges end before the last address of a family, so the carry never runs out.
IpAddr next_address(IpAddr addr) {
  for (size_t i = addr.bytes.size(); i-- > 0;)
    if (++addr.bytes[i] != 0) break;
  return addr;
}

}  // namespace

bool VipTable::add_service(const VipKey& key, ServiceSlot service) {
  if (find_row(service_index_, services_, key) != nullptr) return false;
  append_row(service_index_, services_, ServiceRow{key, service});
  return true;
}

void VipTable::add_address(const IpAddr& addr, OwnedAddress owned) {
  const AddressRow* present = find_row(address_index_, addresses_, addr);
  if (present == nullptr) return append_row(address_index_, addresses_, AddressRow{addr, owned});
  OwnedAddress& flags = addresses_[static_cast<size_t>(present - addresses_.data())].owned;
  flags.is_vip |= owned.is_vip;
  flags.is_snat |= owned.is_snat;
  flags.kernel_owned |= owned.kernel_owned;
}

void VipTable::add_nat_backend(const VipKey& key) {
  if (find_row(nat_backend_index_, nat_backends_, key) == nullptr) append_row(nat_backend_index_, nat_backends_, key);
  if (!is_nat_backend_address(key.addr)) append_row(nat_backend_address_index_, nat_backend_addresses_, key.addr);
}

void VipTable::add_snat_range(const IpAddr& first, const IpAddr& last, uint16_t port_first, uint16_t port_last) {
  for (IpAddr addr = first; addr <= last; addr = next_address(addr)) {
    const bool present = find_row(snat_index_, snat_rows_, addr, [&](const SnatRow& row) {
                           return row.port_first == port_first && row.port_last == port_last;
                         }) != nullptr;
    if (!present) append_row(snat_index_, snat_rows_, SnatRow{addr, port_first, port_last});
    if (addr == last) break;
  }
}

ServiceSlot VipTable::find_service(const VipKey& key) const {
  const ServiceRow* row = find_row(service_index_, services_, key);
  return row != nullptr ? row->service : kNoService;
}

std::optional<OwnedAddress> VipTable::find_address(const IpAddr& addr) const {
  const AddressRow* row = find_row(address_index_, addresses_, addr);
  return row != nullptr ? std::optional(row->owned) : std::nullopt;
}

bool VipTable::is_nat_backend(const VipKey& key) const {
  return find_row(nat_backend_index_, nat_backends_, key) != nullptr;
}

bool VipTable::is_nat_backend_address(const IpAddr& addr) const {
  return find_row(nat_backend_address_index_, nat_backend_addresses_, addr) != nullptr;
}

bool VipTable::is_snat(const IpAddr& addr, Be16 port) const {
  return find_row(snat_index_, snat_rows_, addr, [&](const SnatRow& row) {
           return row.port_first <= port.host() && port.host() <= row.port_last;
         }) != nullptr;
}

}  // namespace millrace
