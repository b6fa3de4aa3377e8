// snapshot.h: everything a worker needs to decide where a new connection goes. Immutable; built and freed by the
// main lcore, read by workers between two quiescent states.
// Route:  read_commands > build_snapshot > publish_snapshot (swap, wait until every worker was quiet, free).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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

struct BackendTarget {
  IpAddr addr;
  Be16 port;
  BackendSlot slot{};
  uint16_t weight = 1;
};

// How one service picks, for one family. Only eligible backends (up, enabled, weight > 0) of the best priority
// group that has any are in `targets`; an empty one means no_backend.
struct PickTable {
  std::vector<BackendTarget> targets;
  // roundrobin and weight: target indexes in the order to hand them out (smooth weighted round robin, one period).
  std::vector<uint16_t> sequence;
  // maglev: kMaglevSize target indexes; depends on addresses, ports and weights alone, so that it is equal on every
  // host and in every run.
  std::vector<uint16_t> maglev;
};

struct ServiceTables {
  ServiceSlot slot{};
  Proto proto{};
  Mode mode{};
  Balance balance{};
  uint16_t snat_pool = kNoSnatPool;
  uint32_t client_idle_timeout_ms = 0;
  uint32_t backend_idle_timeout_ms = 0;
  std::string name;
  PickTable ipv4;
  PickTable ipv6;
  const PickTable& table(Family family) const { return family == Family::ipv4 ? ipv4 : ipv6; }
};

struct Snapshot {
  Generation generation = 0;  // 0: nothing configured yet
  SettingsCommand settings;
  // (address, protocol, port) -> service, and what an address is to us; see vip_table.h.
  VipTable vips;
  std::array<SnatPool, kSnatPoolMax> snat_pools;
  // By ServiceSlot; null where the slot is not configured. Shared, because one service's change leaves the others'.
  std::vector<std::shared_ptr<const ServiceTables>> services;
};

}  // namespace millrace
