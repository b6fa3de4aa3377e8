#include "controlplane/health/health_monitor.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controlplane/health/probe_errors.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// The first checks of a configuration are spread over this long, so that a start with many backends is neither a burst
// of connects nor a long wait for the first word; over longer, up to an interval, where they are more than so many a
// second. They stay as far apart as they began.
constexpr milliseconds kFirstSpread{500};
constexpr size_t kFirstChecksPerSecond = 5000;

const char* health_word(Health health) { return health == Health::up ? "up" : "down"; }

}  // namespace

// What the backends of a service have in common.
struct HealthMonitor::Plan {
  std::shared_ptr<const config::HealthcheckConfig> config;
  std::shared_ptr<Probe> probe;
};

// Shared with its coroutine, which may outlive the entry in checks_ by one probe.
struct HealthMonitor::Check {
  BackendKey key;
  std::shared_ptr<Plan> plan;
  CheckState state;
  uint64_t round = 0;  // the last reconcile() that wanted it
  bool paused = false;
  bool stopped = false;
  bool warned_not_run = false;
  asio::steady_timer timer;

  Check(const asio::any_io_executor& executor, const CheckTarget& target, std::shared_ptr<Plan> how)
      : key(target.key), plan(std::move(how)), paused(target.paused), timer(executor) {
    state.health = initial_health(*plan->config);
  }
  const config::HealthcheckConfig& config() const { return *plan->config; }
  Endpoint endpoint() const { return {key.addr, Be16::from_host(config().port != 0 ? config().port : key.port)}; }
  bool does(const CheckTarget& target) const {
    return paused == target.paused && (plan->config == target.check || config() == *target.check);
  }
  void end() {
    stopped = true;
    timer.cancel();
  }
};

HealthMonitor::HealthMonitor(asio::any_io_executor executor, ProbeMaker make_probe,
                             std::function<void(const BackendKey&)> on_change)
    : executor_(std::move(executor)),
      make_probe_(std::move(make_probe)),
      on_change_(std::move(on_change)),
      random_(std::random_device{}()) {}

HealthMonitor::~HealthMonitor() { stop(); }

void HealthMonitor::stop() {
  for (auto& [key, check] : checks_) check->end();
  checks_.clear();
  table_.clear();
}

// Targets of one service come one after the other, so that the last plan is the one to share.
std::shared_ptr<HealthMonitor::Plan> HealthMonitor::plan_for(const CheckTarget& target) {
  if (!last_plan_ || last_plan_->config != target.check)
    last_plan_ = std::make_shared<Plan>(Plan{target.check, make_probe_(*target.check)});
  return last_plan_;
}

void HealthMonitor::reconcile(const std::vector<CheckTarget>& targets) {
  ++round_;
  checks_.reserve(targets.size());
  table_.reserve(targets.size());
  for (const CheckTarget& target : targets) {
    if (!target.check->enabled()) continue;
    const auto [entry, added] = checks_.try_emplace(target.key);
    std::shared_ptr<Check>& running = entry->second;
    if (!added && running->round == round_) continue;
    if (added || !running->does(target)) {
      const std::shared_ptr<Check> before = std::move(running);
      const bool same_plan = before && before->config() == *target.check;
      running = std::make_shared<Check>(executor_, target, same_plan ? before->plan : plan_for(target));
      if (before) running->state = before->state;
      if (before) before->end();
      table_[target.key] = running->state.health;
      if (!running->paused)
        asio::co_spawn(executor_, run_check(this, running, first_wait(*running, targets.size())), asio::detached);
    }
    running->round = round_;
  }
  last_plan_.reset();
  std::erase_if(checks_, [this](const auto& entry) {
    if (entry.second->round == round_) return false;
    entry.second->end();
    table_.erase(entry.first);
    return true;
  });
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

milliseconds HealthMonitor::first_wait(const Check& check, size_t target_count) {
  const milliseconds needed(target_count * 1000 / kFirstChecksPerSecond);
  const milliseconds spread = std::min(milliseconds(check.config().interval_ms), std::max(kFirstSpread, needed));
  return milliseconds(std::uniform_int_distribution<long>(0, spread.count())(random_));
}

// `monitor` is used only while the check is not stopped, and ~HealthMonitor stops every check.
asio::awaitable<void> HealthMonitor::run_check(HealthMonitor* monitor, std::shared_ptr<Check> check,
                                               milliseconds first_after) {
  const milliseconds interval(check->config().interval_ms);
  const milliseconds timeout(check->config().timeout_ms);
  check->timer.expires_after(first_after);
  while (true) {
    co_await check->timer.async_wait(kQuietly);
    if (check->stopped) co_return;
    if (monitor->on_begin_) monitor->on_begin_(std::chrono::steady_clock::now() - check->timer.expiry());
    // From start to start, so that a slow answer does not stretch the interval.
    check->timer.expires_after(monitor->jittered(interval));
    ProbeResult result;
    try {
      result = co_await check->plan->probe->run(check->endpoint(), timeout);
    } catch (const std::exception& error) {  // no memory
      result.cause = error.what();
    }
    if (check->stopped) co_return;
    monitor->take(*check, result);
    if (check->stopped) co_return;
  }
}

void HealthMonitor::take(Check& check, const ProbeResult& result) {
  if (result.outcome == ProbeOutcome::not_run) {
    if (!check.warned_not_run)
      spdlog::warn("backend {} cannot be checked: {} (it stays {})", format_key(check.key), result.cause,
                   health_word(check.state.health));
    check.warned_not_run = true;
    return;
  }
  check.warned_not_run = false;
  if (!check.state.take(result, check.config())) return;
  table_[check.key] = check.state.health;
  if (check.state.health == Health::down)
    spdlog::warn("backend {} is down: {} ({} failed in a row)", format_key(check.key), result.cause,
                 check.state.fails_in_row);
  else
    spdlog::info("backend {} is up: {} ({} passed in a row)", format_key(check.key), result.cause,
                 check.state.passes_in_row);
  on_change_(check.key);
}

}  // namespace millrace::control
