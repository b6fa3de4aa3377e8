// snat_watch.h: how full each SNAT pool is, and when it will be full if it goes on growing as now.
// An address and port of a pool serves once per backend endpoint and protocol at a time, and a worker uses those ports
// whose replies are its own, an even share. So a pool is as full as it is towards its fullest backend, at the worker that
// has most connections there. Services share a pool; their connections to one endpoint count together.
// Route:  Daemon::sample > sample |segment| > uses > snat_view
// Thread: the event loop.
// Bound:  one pass over the directory's backends a call; kSnatTrendMs of readings a pool and family.
// Tests:  tests/unit/control/snat_watch_test.cpp
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/link/segment_join.h"
#include "controlplane/state/desired_state.h"

namespace millrace::control {

inline constexpr uint64_t kSnatTrendMs = 60'000;      // growth is measured over the last minute
inline constexpr uint64_t kSnatTrendLeastMs = 5'000;  // and over less after a start, but not over nothing
inline constexpr double kSnatFilling = 0.80;
inline constexpr double kSnatNearlyFull = 0.95;
inline constexpr double kSnatForecastFrom = 0.50;  // half full, and full within kSnatForecastS, counts as filling
inline constexpr double kSnatForecastS = 300;
inline constexpr double kSnatHysteresis = 0.05;  // a level is left when the share is so much below it

enum class SnatLevel : uint8_t { ok, filling, nearly_full };
const char* snat_level_name(SnatLevel level);

// Who takes most of a pool.
struct SnatTarget {
  Endpoint backend;
  Proto proto{};
  uint64_t in_use = 0;  // ports, by all workers
};

// Of one pool, one family.
struct SnatUse {
  std::string pool;
  uint16_t number = 0;  // of DesiredState::snat_pools
  bool automatic = false;
  Family family{};
  uint64_t address_count = 0;
  uint64_t port_count = 0;  // of all addresses together
  std::vector<std::string> services;
  uint64_t connections = 0;  // that have one of its ports, to all backends
  std::optional<SnatTarget> fullest;
  double share = 0;  // in use towards the fullest backend, at its fullest worker: 0 .. 1
  double peak = 0;   // the highest share since millraced knows the pool
  std::optional<double> full_in_s;
  SnatLevel level = SnatLevel::ok;
};

class SnatWatch {
 public:
  // Takes a reading, and logs what has become of a pool's level. Null: there is no dataplane, and no use; what the pools
  // are is known all the same.
  void sample(const std::shared_ptr<const Segment>& segment, const DesiredState& state, uint64_t now_ms);
  // In the order of the pools, IPv4 first.
  const std::vector<SnatUse>& uses() const { return uses_; }

 private:
  struct Reading {
    uint64_t time_ms = 0;
    double share = 0;
  };
  struct Past {
    std::deque<Reading> readings;
    double peak = 0;
    SnatLevel level = SnatLevel::ok;
  };
  void judge(SnatUse& use, Past& past, uint64_t now_ms);

  std::vector<SnatUse> uses_;
  std::map<std::pair<std::string, Family>, Past> past_;
};

}  // namespace millrace::control
