#include "controlplane/health/health_monitor.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// The first checks of a configuration are spread over at most this long, so that a start with many backends is
// neither a burst of connects nor a long wait for the first word.
constexpr milliseconds kFirstSpreadMax{500};

}  // namespace

// Shared with its coroutine, which may outlive the entry in checks_ by one probe.
struct HealthMonitor::Check {
  BackendKey key;
  config::HealthcheckConfig config;
  CheckState state;
  bool paused = false;
  bool stopped = false;
  bool warned_not_run = false;
  asio::steady_timer timer;

  Check(const asio::any_io_executor& executor, const CheckTarget& target)
      : key(target.key), config(target.check), timer(executor) {
    state.health = initial_health(config);
  }
  void end() {
    stopped = true;
    timer.cancel();
  }
};

HealthMonitor::HealthMonitor(asio::any_io_executor executor, std::unique_ptr<Probe> probe,
                             std::function<void(const BackendKey&)> on_change)
    : executor_(std::move(executor)),
      probe_(std::move(probe)),
      on_change_(std::move(on_change)),
      random_(std::random_device{}()) {}

HealthMonitor::~HealthMonitor() { stop(); }

void HealthMonitor::stop() {
  for (auto& [key, check] : checks_) check->end();
  checks_.clear();
}

void HealthMonitor::reconcile(const std::vector<CheckTarget>& targets) {
  std::map<BackendKey, std::shared_ptr<Check>> next;
  for (const CheckTarget& target : targets) {
    if (!target.check.enabled) continue;
    const auto found = checks_.find(target.key);
    std::shared_ptr<Check> running = found == checks_.end() ? nullptr : found->second;
    if (running && running->config == target.check && running->paused == target.paused) {
      next.emplace(target.key, std::move(running));
      continue;
    }
    auto check = std::make_shared<Check>(executor_, target);
    check->paused = target.paused;
    if (running) check->state = running->state;
    if (!check->paused) asio::co_spawn(executor_, run_check(this, check), asio::detached);
    next.emplace(target.key, std::move(check));
  }
  for (auto& [key, check] : checks_) {
    const auto kept = next.find(key);
    if (kept == next.end() || kept->second != check) check->end();
  }
  checks_ = std::move(next);
}

HealthTable HealthMonitor::table() const {
  HealthTable health;
  for (const auto& [key, check] : checks_) health.emplace(key, check->state.health);
  return health;
}

const CheckState* HealthMonitor::find(const BackendKey& key) const {
  const auto found = checks_.find(key);
  return found == checks_.end() ? nullptr : &found->second->state;
}

milliseconds HealthMonitor::jittered(milliseconds interval) {
  // +-10%: checks that started together drift apart.
  const auto tenth = interval.count() / 10;
  return milliseconds(interval.count() + std::uniform_int_distribution<long>(-tenth, tenth)(random_));
}

// `monitor` is used only while the check is not stopped, and ~HealthMonitor stops every check.
asio::awaitable<void> HealthMonitor::run_check(HealthMonitor* monitor, std::shared_ptr<Check> check) {
  const milliseconds interval(check->config.interval_ms);
  const milliseconds timeout(check->config.timeout_ms);
  const milliseconds spread = std::min(interval, kFirstSpreadMax);
  check->timer.expires_after(milliseconds(std::uniform_int_distribution<long>(0, spread.count())(monitor->random_)));
  while (true) {
    co_await check->timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (check->stopped) co_return;
    // From start to start, so that a slow answer does not stretch the interval.
    check->timer.expires_after(monitor->jittered(interval));
    const ProbeResult result = co_await monitor->probe_->run(check->key.endpoint(), timeout);
    if (check->stopped) co_return;
    monitor->take(*check, result);
    if (check->stopped) co_return;
  }
}

void HealthMonitor::take(Check& check, const ProbeResult& result) {
  if (result.outcome == ProbeOutcome::not_run) {
    if (!check.warned_not_run)
      spdlog::warn("backend {} cannot be checked: {} (it stays {})", format_key(check.key), result.cause,
                   check.state.health == Health::up ? "up" : "down");
    check.warned_not_run = true;
    return;
  }
  check.warned_not_run = false;
  if (!check.state.take(result, check.config)) return;
  if (check.state.health == Health::down)
    spdlog::warn("backend {} is down: {} ({} failed in a row)", format_key(check.key), check.state.cause,
                 check.state.fails_in_row);
  else
    spdlog::info("backend {} is up: it accepts connections again ({} passed in a row)", format_key(check.key),
                 check.state.passes_in_row);
  on_change_(check.key);
}

}  // namespace millrace::control
