// desired_model.h: a configuration as the control plane committed it: checked values, no ring and no shared memory.
// The reader fills it, the slot table adds the slots, the snapshot builder makes the workers' tables from it.
// Thread: main lcore.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/config/host_pattern.h"
#include "dataplane/pick/access_table.h"
#include "dataplane/pick/blocklist.h"
#include "dataplane/pick/eligible_backends.h"
#include "millrace/addr.h"
#include "millrace/ids.h"
#include "millrace/messages.h"

namespace millrace {

// Over all pools: one row of 20 B in every snapshot and two map entries of the steering program each.
inline constexpr uint32_t kSnatAddressMax = 65536;
// Over all services, before wildcards are expanded: 24 B and two map entries each.
inline constexpr uint32_t kBindMax = 65536;

// A server name of a service, compiled once. Equal when they read the same, so that what is sent again is no change.
struct DesiredHost {
  std::shared_ptr<const HostPattern> pattern;
  bool operator==(const DesiredHost& other) const { return pattern->text() == other.pattern->text(); }
};
// A service's access rules, compiled once. Equal when every address gets the same.
struct DesiredAccess {
  std::shared_ptr<const AccessTable> table;  // null: everybody is let in
  bool operator==(const DesiredAccess& other) const {
    return table == other.table || (table && other.table && *table == *other.table);
  }
};
inline constexpr uint16_t kNoHost = 0xffff;  // of a backend without a server name

struct DesiredBackend {
  Endpoint endpoint;
  uint16_t weight = 1;
  uint16_t priority = 0;
  Health health{};
  Admin admin{};
  ProxyProtocol proxy_protocol{};
  uint8_t trial = 0;                 // in 1/256 of its share; 0: all of it
  uint16_t snat_pool = kNoSnatPool;  // kNoSnatPool: its service's
  uint32_t connections_max = 0;      // 0: no limit
  uint16_t host = kNoHost;           // index of its service's hosts
  BackendSlot slot = kNoBackend;     // given by SlotTable::assign

  // May it get new connections?
  bool eligible() const { return health == Health::up && admin == Admin::enabled && weight > 0; }
  // Drain and weight 0 leave it what it has.
  BackendStanding standing() const {
    if (eligible()) return trial == 0 ? BackendStanding::eligible : BackendStanding::trial;
    return health == Health::down || admin == Admin::disabled ? BackendStanding::lost : BackendStanding::closed;
  }
  void take(const SetBackendCommand& command) {
    if (command.fields & kSetHealth) health = command.health;
    if (command.fields & kSetAdmin) admin = command.admin;
    if (command.fields & kSetWeight) weight = command.weight;
    if (command.fields & kSetTrial) trial = command.trial;
  }
  bool operator==(const DesiredBackend&) const = default;
};

struct DesiredService : ServiceSettings {
  std::string name;
  std::vector<Endpoint> binds;
  std::vector<DesiredBackend> backends;
  std::vector<DesiredHost> hosts;  // each once, in the order in which backends first name them
  DesiredAccess access;
  ServiceSlot slot = kNoService;  // given by SlotTable::assign

  uint16_t snat_pool_of(const DesiredBackend& backend) const {
    return backend.snat_pool != kNoSnatPool ? backend.snat_pool : snat_pool;
  }

  bool operator==(const DesiredService&) const = default;
};

struct DesiredModel {
  Generation generation = 0;
  SettingsCommand settings;
  std::vector<SnatRangeCommand> snat_ranges;
  std::vector<DesiredService> services;        // by ServiceOrdinal; backends by BackendOrdinal
  std::shared_ptr<const Blocklist> blocklist;  // null: nobody is blocked
};

}  // namespace millrace
