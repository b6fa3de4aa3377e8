// passive_health.h: watches what becomes of the connections of every backend whose service has [passive_health], and
// takes those out of use whose connections fail (circuit_breaker.h).
// Route:  Daemon::watch_connections > sample |segment| > CircuitBreaker > table > compute_desired_state
// Thread: the event loop.
// Bound:  two cache lines a backend and worker each kPassiveSampleMs; the directory only when a generation was applied.
// Memory: some 400 B a backend.
// Fails:  never; what cannot be read keeps its state.      Tests: tests/unit/control/passive_health_test.cpp
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/health/circuit_breaker.h"
#include "controlplane/health/health_monitor.h"
#include "controlplane/link/segment_join.h"
#include "controlplane/state/backend_key.h"
#include "controlplane/state/desired_state.h"

namespace millrace::control {

// A refusing backend is out of use within this and a burst.
inline constexpr uint64_t kPassiveSampleMs = 100;

class PassiveHealth {
 public:
  PassiveHealth();

  // Watches the services of these configurations, of two of one name the first. A backend that stays keeps its state.
  void reconcile(const std::vector<const config::Config*>& configs);

  // Takes a reading; null: there is no dataplane. True: table() has changed.
  bool sample(const std::shared_ptr<const Segment>& segment, const DesiredState& desired, const HealthMonitor& checks,
              uint64_t now_ms);

  bool watches_any() const { return !watched_.empty(); }
  // Those that do not have everything at present.
  const EjectionTable& table() const { return table_; }
  // nullptr: not watched.
  const CircuitBreaker* find(const BackendKey& key) const;
  // How often a backend of the service ought to have been ejected when too many were out already. nullopt: not watched.
  std::optional<uint64_t> panics(const std::string& service) const;

 private:
  using Settings = std::shared_ptr<const config::PassiveHealthConfig>;
  // Since the dataplane started.
  struct Totals {
    uint64_t opened = 0;
    uint64_t answered = 0;
    uint64_t refused = 0;  // or silence
    uint64_t resets = 0;
  };
  struct Watched {
    Settings config;
    CircuitBreaker breaker;
    BackendSlot slot = kNoBackend;
    bool has_totals = false;
    Totals totals;
    uint64_t checks_needed = 0;  // count of active checks from which their passing counts; 0: there were none
    uint64_t round = 0;          // the last reconcile() that wanted it
  };
  struct Panic {
    bool now = false;
    uint64_t count = 0;
  };
  struct Failing {
    const BackendKey* key;
    Watched* watched;
  };

  void find_slots(const std::shared_ptr<const Segment>& segment);
  void count(Watched& watched, const Segment& segment, uint64_t now_ms);
  bool advance(const BackendKey& key, Watched& watched, const HealthMonitor& checks, uint64_t now_ms);
  bool eject(std::vector<Failing> failing, const DesiredState& desired, const HealthMonitor& checks, uint64_t now_ms);
  void set_panics(const std::map<std::string, std::string>& held);
  void put(const BackendKey& key, const Watched& watched);
  double jitter();

  std::unordered_map<BackendKey, Watched, BackendKeyHash> watched_;
  EjectionTable table_;
  std::map<std::string, Panic> panics_;  // by service
  std::shared_ptr<const Segment> segment_;
  uint64_t generation_ = 0;  // whose slots are known
  bool slots_known_ = false;
  uint64_t round_ = 0;
  std::minstd_rand random_;
};

}  // namespace millrace::control
