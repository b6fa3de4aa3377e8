#include "controlplane/daemon.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <utility>

#include "controlplane/config/document.h"
#include "controlplane/config/host_routes.h"
#include "controlplane/link/directory.h"
#include "controlplane/link/monotonic.h"
#include "controlplane/net/asio_types.h"
#include "controlplane/state/restart_notices.h"
#include "controlplane/state/setting_changes.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// How long a reload waits for the dataplane's word; a table build of the largest configuration takes a few seconds.
constexpr std::chrono::seconds kApplyPatience{15};
// How long a start waits for the first answers of discovery: a dataplane that runs already keeps its backends meanwhile.
constexpr std::chrono::seconds kFirstAnswersPatience{3};
constexpr std::chrono::milliseconds kFirstAnswersEvery{5};

const char* admin_text(Admin admin) {
  switch (admin) {
    case Admin::enabled:
      return "enabled";
    case Admin::drain:
      return "draining: established connections stay until they close";
    case Admin::disabled:
      return "disabled: no new connections, no checks";
  }
  return "unknown";
}

const char* admin_word(Admin admin) {
  return admin == Admin::enabled ? "enabled" : admin == Admin::drain ? "drained" : "disabled";
}

// Who edits a file wants to know what of it does not count.
std::optional<std::string> changes_notice(const config::Config& config) {
  std::vector<std::string> names;
  for (const auto& [name, server] : config.document->changes.servers) names.push_back(name);
  for (const auto& [name, value] : config.document->changes.tuned) names.emplace_back(name.str());
  if (names.empty()) return std::nullopt;
  return fmt::format("as REST changed them, whatever {} says, are: {} ({}; DELETE /v1/changes goes back to the file)",
                     config.file, fmt::join(names, ", "), config.api.changes_file);
}

}  // namespace

Daemon::Daemon(asio::any_io_executor executor, ConfigPlace place, config::Config config, OwnerLock lock)
    : executor_(executor),
      place_(std::move(place)),
      segment_path_(config.dataplane.segment),
      config_(config),
      started_with_(std::move(config)),
      discovery_(executor, make_source, [this] { take_found(); }),
      health_(executor, make_probes(executor),
              [this](const BackendKey& key) {
                tell_health(key);
                publish_soon();
              }),
      link_(executor, segment_path_, std::move(lock)),
      sample_timer_(executor),
      watch_timer_(executor),
      flow_timer_(executor),
      turns_(executor),
      history_(config_.api.history_dir),
      desired_(std::make_shared<const DesiredState>()),
      started_ms_(monotonic_ms()),
      change_control_(*this) {}

void Daemon::start() {
  remember(ChangeOrigin::start, "");
  if (const std::optional<std::string> notice = changes_notice(config_)) spdlog::warn("{}", *notice);
  std::vector<std::string> problems;
  open_flow_log(false, problems);
  for (const std::string& problem : problems) spdlog::warn("{}", problem);
  discovery_.record_in(events_);
  link_.record_in(events_);
  const bool all_static = std::ranges::all_of(
      config_.services, [](const config::ServiceConfig& service) { return service.discovery.is_static(); });
  // In this order: the dataplane is joined, what it has is kept, and only then may an answer come.
  asio::co_spawn(executor_, link_.run(), asio::detached);
  if (!all_static) asio::co_spawn(executor_, await_first_answers(), asio::detached);
  discovery_.reconcile(config_);
  if (all_static) begin();
}

asio::awaitable<void> Daemon::await_first_answers() {
  const auto deadline = std::chrono::steady_clock::now() + kFirstAnswersPatience;
  asio::steady_timer timer(executor_);
  keep_backends();
  while (!discovery_.settled() && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(kFirstAnswersEvery);
    co_await timer.async_wait(kQuietly);
    if (stopped_) co_return;
  }
  begin();
}

void Daemon::begin() {
  begun_ = true;
  take_found();
  asio::co_spawn(executor_, sample(), asio::detached);
  asio::co_spawn(executor_, watch_connections(), asio::detached);
  asio::co_spawn(executor_, follow_flows(), asio::detached);
}

// What a dataplane that runs already has counts as found before: a registry that is down or half empty at our start takes
// nothing from it. Only address, weight and priority are known; a service that tells its backends apart by server name
// waits for its registry.
void Daemon::keep_backends() {
  const std::shared_ptr<const Segment> segment = link_.segment();
  if (!segment) return;
  std::map<ServiceSlot, std::string> discovered;
  for (const ServiceRow& row : read_services(*segment)) {
    const auto service = std::ranges::find(config_.services, row.name, &config::ServiceConfig::name);
    if (service == config_.services.end() || service->host_matching != HostMatching::none) continue;
    if (row.configured && discovery_.find(row.name) != nullptr) discovered.emplace(row.slot, row.name);
  }
  std::map<std::string, std::vector<config::BackendConfig>> kept;
  for (const BackendRow& row : read_backends(*segment)) {
    const auto service = discovered.find(row.service);
    if (!row.configured || service == discovered.end()) continue;
    config::BackendConfig& backend = kept[service->second].emplace_back();
    backend.endpoint = row.endpoint;
    backend.weight = row.weight;
    backend.priority = row.priority;
  }
  for (auto& [service, backends] : kept) {
    const size_t count = backends.size();
    if (discovery_.keep(service, std::move(backends)))
      spdlog::info("service {}: keeps the {} backends of the dataplane until its source answers", service, count);
  }
}

void Daemon::take_found() {
  found_pending_ = fallback_.has_value();
  if (fallback_ || !begun_) return;
  discovery_.fill(config_, config_);
  reconcile_checks();
  find_new_sources();
  publish();
}

void Daemon::stop() {
  stopped_ = true;
  change_control_.stop();
  discovery_.stop();
  health_.stop();
  link_.stop();
  sample_timer_.cancel();
  watch_timer_.cancel();
  flow_timer_.cancel();
}

uint64_t Daemon::uptime_ms() const { return monotonic_ms() - started_ms_; }

uint64_t Daemon::publish() {
  publish_pending_ = false;
  desired_ = std::make_shared<const DesiredState>(
      compute_desired_state(config_, overrides_, health_.table(), sources_, passive_health_.table()));
  return link_.set_desired(desired_);
}

// Many checks may change within one turn of the loop; the state is computed once for all of them.
void Daemon::publish_soon() {
  if (publish_pending_) return;
  publish_pending_ = true;
  asio::post(executor_, [this] {
    if (publish_pending_ && !stopped_) publish();
  });
}

void Daemon::reconcile_checks() {
  std::vector<CheckTarget> targets;
  const auto add = [&](const config::Config& config) {
    for (const config::ServiceConfig& service : config.services) {
      if (!service.healthcheck.enabled()) continue;
      const auto check = std::make_shared<const config::HealthcheckConfig>(service.healthcheck);
      for (const config::BackendConfig& backend : service.backends) {
        BackendKey key(service.name, backend.endpoint);
        const bool paused = overrides_.find(key).admin == Admin::disabled;
        targets.push_back({std::move(key), check, paused});
      }
    }
  };
  add(config_);
  if (fallback_) add(*fallback_);
  health_.reconcile(targets);
  std::vector<const config::Config*> watched = {&config_};
  if (fallback_) watched.push_back(&*fallback_);
  passive_health_.reconcile(watched);
}

void Daemon::tell_health(const BackendKey& key) {
  const CheckState* check = health_.find(key);
  if (check == nullptr) return;
  events_->add({.kind = "backend",
                .what = check->health == Health::up ? "up" : "down",
                .service = key.service,
                .backend = format_endpoint(key.endpoint()),
                .cause = check->cause});
}

void Daemon::tell_config(const char* what, const ReloadReport& report) {
  const char* const done = report.accepted ? what : "refused";
  events_->add({.kind = "config", .what = done, .cause = report.errors.empty() ? "" : report.errors.front()});
}

void Daemon::override_backend(const BackendKey& key, const Override& change) {
  overrides_.merge(key, change);
  if (change.admin) spdlog::info("backend {} is {} (by millctl)", format_key(key), admin_text(*change.admin));
  if (change.weight) spdlog::info("backend {} has weight {} (by millctl)", format_key(key), *change.weight);
  Happening happening = {.kind = "backend",
                         .what = "weight",
                         .service = key.service,
                         .backend = format_endpoint(key.endpoint()),
                         .cause = "by the operator"};
  if (change.weight) happening.count = *change.weight;
  if (change.weight) events_->add(happening);
  happening.count.reset();
  if (change.admin) happening.what = admin_word(*change.admin);
  if (change.admin) events_->add(happening);
  if (change.admin) reconcile_checks();
  publish();
}

void Daemon::forget_weight(const BackendKey& key) {
  overrides_.forget_weight(key);
  publish();
}

asio::awaitable<config::LoadResult> Daemon::load() const {
  const config::TextFile read = co_await place_.read();
  if (read.text) co_return config::parse_changed_config(*read.text, file());
  config::ConfigError error{.file = file(), .problem = read.problem, .remedy = place_.remedy()};
  config::LoadResult refused;
  refused.errors.push_back(std::move(error));
  co_return refused;
}

HistoryEntry Daemon::history_entry() const {
  HistoryEntry entry;
  if (!history_.rows().empty()) entry.number = history_.rows().back().number;
  entry.time = std::time(nullptr);
  entry.text = config_.document->text;
  if (!config_.document->changes.empty()) entry.changes = config::format_changes(config_.document->changes);
  return entry;
}

uint64_t Daemon::remember(ChangeOrigin origin, const std::string& note) {
  if (!config_.document) return 0;
  HistoryEntry entry = history_entry();
  entry.origin = origin;
  entry.summary = remembered_ ? summarize_changes(remembered_->root, config_.document->root)
                              : fmt::format("{} servers", config_.services.size());
  // In a file without [dataplane] its settings are tuned beside the tree.
  if (remembered_ && entry.summary.empty())
    entry.summary =
        fmt::format("{}", fmt::join(tuned_changes(remembered_->changes.tuned, config_.document->changes.tuned), ", "));
  if (!note.empty()) entry.summary = note + (entry.summary.empty() ? "" : ": " + entry.summary);
  std::string problem;
  const uint64_t number = history_.keep(std::move(entry), problem);
  remembered_ = config_.document;
  if (number == 0 && problem != history_problem_)
    spdlog::warn("there is no history of configurations: {}; set [api] history_dir to a directory that can be written",
                 problem);
  history_problem_ = problem;
  return number;
}

DesiredState Daemon::foresee(config::Config& config) {
  discovery_.fill(config, config_);
  return compute_desired_state(config, overrides_, health_.table(), find_sources(config, config::kernel_source));
}

std::vector<std::string> Daemon::notices_for(const config::Config& config) const {
  return restart_notices(started_with_, config);
}

asio::awaitable<std::optional<ReloadReport>> Daemon::reload() {
  if (turns_.taken()) co_return std::nullopt;
  const Turns::Turn turn = co_await turns_.take();
  config::LoadResult loaded = co_await load();
  ReloadReport report = co_await put_in_force(std::move(loaded));
  if (report.accepted) {
    if (std::optional<std::string> notice = changes_notice(config_)) report.notices.push_back(std::move(*notice));
    if (flow_log_.is_on()) open_flow_log(true, report.notices);  // it may have been rotated
    remember(ChangeOrigin::reload, "");
  }
  for (const std::string& error : report.errors) spdlog::error("{}", error);
  for (const std::string& notice : report.notices) spdlog::warn("{}", notice);
  if (report.accepted)
    spdlog::info("{} reloaded: {} services", file(), config_.services.size());
  else
    spdlog::error("{} not reloaded: the configuration before it stays in force", file());
  tell_config("reloaded", report);
  last_reload_ = report;
  co_return report;
}

asio::awaitable<ReloadReport> Daemon::change_over_file(config::Changes changes) {
  const std::string kept_in = config_.api.changes_file;
  config::LoadResult loaded = config::change_config(config_, changes);
  ReloadReport report = co_await put_in_force(std::move(loaded));
  tell_config("changed", report);
  if (!report.accepted) co_return report;
  remember(ChangeOrigin::rest, "");
  std::string problem;
  if (config::write_changes(kept_in, changes, problem)) co_return report;
  spdlog::error("{}: the change holds until millraced ends", problem);
  report.notices.push_back(problem + ": the change holds until millraced ends");
  co_return report;
}

asio::awaitable<ReloadReport> Daemon::put_in_force(config::LoadResult loaded) {
  ReloadReport report;
  report.time = std::time(nullptr);
  if (!loaded.config) {
    for (const config::ConfigError& error : loaded.errors) report.errors.push_back(config::format_error(error));
    co_return report;
  }
  discovery_.fill(*loaded.config, config_);
  fallback_ = std::exchange(config_, std::move(*loaded.config));
  reconcile_checks();
  find_new_sources();
  const uint64_t revision = publish();
  report.outcome = co_await link_.settle(revision, kApplyPatience);
  report.accepted = report.outcome != Outcome::rejected;
  if (report.accepted) {
    report.notices = restart_notices(started_with_, config_);
    open_flow_log(false, report.notices);
    if (in_force_) in_force_(config_);
  } else {
    const std::optional<Rejection> rejection = link_.status().rejection;
    report.errors.push_back("the dataplane rejected the configuration: " +
                            (rejection ? format_rejection(*rejection) : std::string("it gave no reason")));
    config_ = std::move(*fallback_);
    find_new_sources();
    publish();
    link_.resend();
  }
  fallback_.reset();
  if (report.accepted) discovery_.reconcile(config_);
  overrides_.retain(config_);
  reconcile_checks();
  if (found_pending_) take_found();
  co_return report;
}

}  // namespace millrace::control
