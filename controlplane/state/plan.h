// plan.h: what a change of the configuration would do: to services, backends and the connections that live now.
// Route:  text > parse_changed_config > compute_desired_state > make_plan > add_slot_shares
// Thread: any; pure.      Tests: tests/unit/control/plan_test.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/state/desired_state.h"
#include "controlplane/state/setting_changes.h"

namespace millrace::control {

enum class Difference { added, removed, changed };

// Of connections that live now. A reload ends none of them.
struct Fate {
  uint64_t kept = 0;     // their backend stays
  uint64_t drained = 0;  // their backend goes from the configuration: they go on until they end
  uint64_t moved = 0;    // UDP sessions whose backend could get nothing more: another one, with their next datagram

  Fate& operator+=(const Fate& other);
  bool operator==(const Fate&) const = default;
};

struct PlannedBackend {
  Endpoint endpoint;
  Difference difference = Difference::changed;
  std::vector<SettingChange> settings;  // of a changed one: "weight", "priority" …
  uint64_t active = 0;                  // connections now
};

struct PlannedService {
  std::string name;
  Difference difference = Difference::changed;
  std::vector<SettingChange> settings;   // of a changed one; without the list of backends
  std::vector<PlannedBackend> backends;  // those that differ, in the order of the file
  bool backends_unknown = false;         // they come from a source that has not been asked yet
  Fate connections;
  std::optional<double> slots_moved;  // see slots_moved.h; not set before add_slot_shares
};

struct Plan {
  std::vector<PlannedService> services;  // those that differ, by name
  std::vector<SettingChange> settings;   // outside of [servers]
  Fate connections;                      // of all services
  std::vector<std::string> notices;      // what needs a restart

  bool differs() const { return !services.empty() || !settings.empty(); }
};

// A configuration with its found backends, and what it comes to.
struct PlanSide {
  const config::Config& config;
  const DesiredState& state;
};

// By backend, as the counters have them.
using OpenConnections = std::unordered_map<BackendKey, uint64_t, BackendKeyHash>;

// Both configurations have their documents. slots_moved and notices are left empty.
Plan make_plan(const PlanSide& from, const PlanSide& to, const OpenConnections& open);

}  // namespace millrace::control
