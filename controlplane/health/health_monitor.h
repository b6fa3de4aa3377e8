// health_monitor.h: runs the active checks of every backend that should have one and keeps their last word.
// Route:  reconcile > run_check (one coroutine per backend) > Probe::run > CheckState::take > on_change
// Thread: the event loop.
// Bound:  one probe at a time per backend; a probe ends within its timeout.
// Fails:  never; what cannot be asked keeps its health.      Tests: tests/unit/control/health_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/health/check_state.h"
#include "controlplane/health/probe.h"
#include "controlplane/state/backend_key.h"
#include "controlplane/state/desired_state.h"

namespace millrace::control {

struct CheckTarget {
  BackendKey key;
  config::HealthcheckConfig check;
  bool paused = false;  // the operator disabled the backend: keep its health, ask nothing
};

class HealthMonitor {
 public:
  HealthMonitor(boost::asio::any_io_executor executor, std::unique_ptr<Probe> probe,
                std::function<void(const BackendKey&)> on_change);
  ~HealthMonitor();
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;

  // Makes the running checks those of `targets`. A backend that stays keeps its health, also under new settings.
  void reconcile(const std::vector<CheckTarget>& targets);
  // Ends every check.
  void stop();

  HealthTable table() const;
  // nullptr: not checked.
  const CheckState* find(const BackendKey& key) const;

 private:
  struct Check;

  static boost::asio::awaitable<void> run_check(HealthMonitor* monitor, std::shared_ptr<Check> check);
  void take(Check& check, const ProbeResult& result);
  std::chrono::milliseconds jittered(std::chrono::milliseconds interval);

  boost::asio::any_io_executor executor_;
  std::unique_ptr<Probe> probe_;
  std::function<void(const BackendKey&)> on_change_;
  std::map<BackendKey, std::shared_ptr<Check>> checks_;
  std::minstd_rand random_;
};

}  // namespace millrace::control
