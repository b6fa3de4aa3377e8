// desired_state.h: what the dataplane should have, as one plain value. Positions in the vectors are the ordinals of
// messages.h.
// Route:  load_config > compute_desired_state > diff_state > send_transaction
// Thread: any; pure.      Tests: tests/unit/control/state_test.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/state/automatic_snat.h"
#include "controlplane/state/backend_key.h"
#include "controlplane/state/overrides.h"
#include "millrace/messages.h"

namespace millrace::control {

struct DesiredBackend {
  Endpoint endpoint;
  uint16_t weight = 1;
  uint16_t priority = 0;
  Health health = Health::up;
  Admin admin = Admin::enabled;
  ProxyProtocol proxy_protocol = ProxyProtocol::none;
  uint8_t trial = 0;                 // in 1/256 of its share; 0: all of it
  uint32_t connections_max = 0;      // 0: no limit
  uint16_t snat_pool = kNoSnatPool;  // of its own, automatic; kNoSnatPool: its service's
  bool reachable = true;             // false: no address of this host leads there, and health is down
  std::string host;                  // by the service's host_matching; empty: any

  // Gets new connections, as far as its priority group is the one in use.
  bool eligible() const { return health == Health::up && admin == Admin::enabled && weight > 0; }
  bool operator==(const DesiredBackend&) const = default;
};

struct DesiredService : ServiceSettings {
  std::string name;
  std::vector<Endpoint> binds;
  config::AccessRules access_rules;
  std::vector<DesiredBackend> backends;

  bool up() const;
};

struct DesiredState {
  SettingsCommand settings;
  std::vector<DesiredPool> snat_pools;
  std::vector<SnatRangeCommand> snat_ranges;
  std::vector<DesiredService> services;
  config::BlockedPrefixes blocklist;
};

// Last word of the checks; a backend that is not in it counts by its initial status.
using HealthTable = std::unordered_map<BackendKey, Health, BackendKeyHash>;

// Who of the backends, by what became of its connections, does not get everything (passive health).
struct Ejection {
  bool out = false;   // it gets nothing
  uint8_t trial = 0;  // as DesiredBackend
  bool operator==(const Ejection&) const = default;
};
using EjectionTable = std::unordered_map<BackendKey, Ejection, BackendKeyHash>;

// `sources`: towards backends of automatic pools.
DesiredState compute_desired_state(const config::Config& config, const Overrides& overrides, const HealthTable& health,
                                   const SourceTable& sources = {}, const EjectionTable& ejections = {});

// The health that a backend has before its first check has spoken.
Health initial_health(const config::HealthcheckConfig& check);

const DesiredService* find_service(const DesiredState& state, const std::string& name);
const DesiredBackend* find_backend(const DesiredService& service, const Endpoint& endpoint);

}  // namespace millrace::control
