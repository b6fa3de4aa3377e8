// snapshot.h: everything a worker needs to decide where a new connection goes. Immutable; built and freed by the
// main lcore, read by workers between two quiescent states.
// Route:  read_commands > build_snapshot > publish_snapshot (swap, wait until every worker was quiet, free).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/pick/access_table.h"
#include "dataplane/pick/blocklist.h"
#include "dataplane/pick/host_table.h"
#include "dataplane/pick/pick_table.h"
#include "dataplane/pick/rate_limiter.h"
#include "dataplane/pick/vip_table.h"
#include "millrace/addr.h"
#include "millrace/ids.h"
#include "millrace/limits.h"
#include "millrace/messages.h"

namespace millrace {

struct SnatRange {
  IpAddr first;
  IpAddr last;
  uint16_t port_first = 0;
  uint16_t port_last = 0;
};

struct SnatPool {
  std::vector<SnatRange> ipv4;
  std::vector<SnatRange> ipv6;
};

struct ServiceTables : ServiceSettings {
  ServiceSlot slot{};
  std::string name;
  PickTable ipv4;
  PickTable ipv6;
  std::shared_ptr<const HostTable> hosts;     // null: server names are not read
  std::shared_ptr<const AccessTable> access;  // null: everybody is let in
  const PickTable& table(Family family) const { return family == Family::ipv4 ? ipv4 : ipv6; }
};

struct Snapshot {
  Generation generation = 0;  // 0: nothing configured yet
  SettingsCommand settings;
  // (address, protocol, port) -> service, and what an address is to us; see vip_table.h.
  VipTable vips;
  std::array<SnatPool, kSnatPoolMax + 1> snat_pools;  // the last: of backends that have none, always empty
  // By ServiceSlot; null where the slot is not configured. Shared, because one service's change leaves the others'.
  std::vector<std::shared_ptr<const ServiceTables>> services;
  std::shared_ptr<const Blocklist> blocklist;  // null: nobody is blocked
  bool any_spliced = false;                    // a service of mode proxy, or with syn_proxy
  bool any_lost = false;         // a UDP service has a backend that its sessions move off (BackendStanding::lost)
  bool any_packet_rate = false;  // a service that limits the packets of connections that live
};

}  // namespace millrace
