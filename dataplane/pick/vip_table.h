// vip_table.h: what a destination (or a NAT reply's source) is to us. Three read-only maps in one object.
// Thread: any worker; filled by the main lcore before the snapshot is published.
// Cost:   one hash probe a question, all on misses of the connection table only.
// Tests:  tests/unit/pick/vip_table_test.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/addr.h"
#include "millrace/ids.h"

namespace millrace {

struct VipKey {
  IpAddr addr;
  Be16 port;
  Proto proto{};
  uint8_t reserved = 0;
  bool operator==(const VipKey&) const = default;
};
static_assert(sizeof(VipKey) == 20);

// How an address belongs to us.
struct OwnedAddress {
  bool is_vip = false;
  bool is_snat = false;
  // An address of the kernel on one of our ports: it answers ARP, ND and ping itself, and keeps every port that is
  // neither a service's nor in a SNAT range.
  bool kernel_owned = false;
};

class VipTable {
 public:
  // Filling, main lcore. add_service returns false when the key is taken.
  bool add_service(const VipKey& key, ServiceSlot service);
  void add_address(const IpAddr& addr, OwnedAddress owned);  // flags are OR-ed with what is there
  // A backend of a service in mode nat: packets from it are replies that we must see.
  void add_nat_backend(const VipKey& key);
  void add_snat_range(const IpAddr& first, const IpAddr& last, uint16_t port_first, uint16_t port_last);

  // Asking, workers. No allocation.
  ServiceSlot find_service(const VipKey& key) const;  // kNoService: none
  std::optional<OwnedAddress> find_address(const IpAddr& addr) const;
  bool is_nat_backend(const VipKey& key) const;
  // Of any port: all that a later fragment shows.
  bool is_nat_backend_address(const IpAddr& addr) const;
  bool is_snat(const IpAddr& addr, Be16 port) const;

  // Walking, main lcore (steering, gratuitous ARP).
  struct ServiceRow {
    VipKey key;
    ServiceSlot service{};
  };
  struct AddressRow {
    IpAddr addr;
    OwnedAddress owned;
  };
  struct SnatRow {
    IpAddr addr;  // one address of a range
    uint16_t port_first = 0;
    uint16_t port_last = 0;
  };
  const std::vector<ServiceRow>& services() const { return services_; }
  const std::vector<AddressRow>& addresses() const { return addresses_; }
  const std::vector<VipKey>& nat_backends() const { return nat_backends_; }
  const std::vector<SnatRow>& snat_rows() const { return snat_rows_; }

 private:
  // Open addressing over the vectors above: slot -> row + 1, 0 empty, at most half full. A failed probe ends at the
  // first empty slot.
  using Index = std::vector<uint32_t>;
  std::vector<ServiceRow> services_;
  std::vector<AddressRow> addresses_;
  std::vector<VipKey> nat_backends_;
  std::vector<IpAddr> nat_backend_addresses_;
  std::vector<SnatRow> snat_rows_;
  Index service_index_;
  Index address_index_;
  Index nat_backend_index_;
  Index nat_backend_address_index_;
  Index snat_index_;  // by address; a second range of one address is the next row of its chain
};

}  // namespace millrace
