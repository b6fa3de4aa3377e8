// health_monitor.h: runs the active checks of every backend that should have one and keeps their last word.
// Route:  reconcile > run_check (one coroutine per backend) > Probe::run > CheckState::take > on_change
// Thread: the event loop.
// Bound:  one probe at a time per backend; a probe ends within its timeout; kFirstChecksPerSecond when many are new.
// Memory: some 2 KiB per backend, and its probe while that runs; perf/checks measures both.
// Fails:  never; what cannot be asked keeps its health.      Tests: tests/unit/control/health_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/health/check_state.h"
#include "controlplane/health/probe.h"
#include "controlplane/state/backend_key.h"
#include "controlplane/state/desired_state.h"

namespace millrace::control {

struct CheckTarget {
  BackendKey key;
  std::shared_ptr<const config::HealthcheckConfig> check;  // not null; targets of one service best share it
  bool paused = false;  // the operator disabled the backend: keep its health, ask nothing
};

class HealthMonitor {
 public:
  HealthMonitor(boost::asio::any_io_executor executor, ProbeMaker make_probe,
                std::function<void(const BackendKey&)> on_change);
  ~HealthMonitor();
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;

  // Makes the running checks those of `targets`; of two for one backend the first counts. A backend that stays keeps its
  // health, also under new settings.
  void reconcile(const std::vector<CheckTarget>& targets);
  // Ends every check.
  void stop();

  // Of every backend that is checked; valid until the next turn of the loop.
  const HealthTable& table() const { return table_; }
  // nullptr: not checked.
  const CheckState* find(const BackendKey& key) const;

  // Told of every check that begins, how long after its time; for measurements.
  void observe_lateness(std::function<void(std::chrono::nanoseconds)> observer) { on_begin_ = std::move(observer); }

 private:
  struct Plan;
  struct Check;

  std::shared_ptr<Plan> plan_for(const CheckTarget& target);
  static boost::asio::awaitable<void> run_check(HealthMonitor* monitor, std::shared_ptr<Check> check,
                                                std::chrono::milliseconds first_after);
  void take(Check& check, const ProbeResult& result);
  std::chrono::milliseconds jittered(std::chrono::milliseconds interval);
  std::chrono::milliseconds first_wait(const Check& check, size_t target_count);

  boost::asio::any_io_executor executor_;
  ProbeMaker make_probe_;
  std::function<void(const BackendKey&)> on_change_;
  std::function<void(std::chrono::nanoseconds)> on_begin_;
  std::unordered_map<BackendKey, std::shared_ptr<Check>, BackendKeyHash> checks_;
  HealthTable table_;   // of the same backends
  uint64_t round_ = 0;  // of reconcile()
  std::shared_ptr<Plan> last_plan_;
  std::minstd_rand random_;
};

}  // namespace millrace::control
