#include "controlplane/change_control.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "controlplane/config/document.h"
#include "controlplane/config/text_file.h"
#include "controlplane/config/whole_file.h"
#include "controlplane/daemon.h"
#include "controlplane/history/unconfirmed.h"
#include "controlplane/link/live_counters.h"
#include "controlplane/link/live_slots.h"
#include "controlplane/net/asio_types.h"
#include "controlplane/state/slots_moved.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

OpenConnections open_connections(const Daemon& daemon) {
  const LiveSlots slots(daemon.link().segment());
  OpenConnections open;
  for (const BackendRow& row : slots.backends())
    open[BackendKey(slots.service_of(row), row.endpoint)] += sum_backend(*slots.segment(), row.slot).active;
  return open;
}

// Tables of many services take seconds to build: others have their turn between two.
asio::awaitable<void> add_slot_shares(Plan& plan, const DesiredState& from, const DesiredState& to,
                                      asio::any_io_executor executor) {
  for (PlannedService& service : plan.services) {
    const DesiredService* was = find_service(from, service.name);
    const DesiredService* is = find_service(to, service.name);
    if (was == nullptr || is == nullptr || service.backends_unknown) continue;
    service.slots_moved = share_of_slots_moved(*was, *is);
    if (service.slots_moved) co_await asio::post(executor, asio::use_awaitable);
  }
}

asio::awaitable<Plan> make_whole_plan(Daemon& daemon, config::Config to) {
  const config::Config from = daemon.config();
  const std::shared_ptr<const DesiredState> from_state = daemon.desired_now();
  const DesiredState to_state = daemon.foresee(to);
  Plan plan = make_plan({from, *from_state}, {to, to_state}, open_connections(daemon));
  plan.notices = daemon.notices_for(to);
  co_await add_slot_shares(plan, *from_state, to_state, daemon.executor());
  co_return plan;
}

std::vector<std::string> as_texts(const std::vector<config::ConfigError>& errors) {
  std::vector<std::string> texts;
  for (const config::ConfigError& error : errors) texts.push_back(config::format_error(error));
  return texts;
}

ChangeReport stopped_by(Obstacle obstacle, std::string problem = {}) {
  return {.obstacle = obstacle, .problem = std::move(problem)};
}

}  // namespace

ChangeControl::ChangeControl(Daemon& daemon) : daemon_(daemon), trial_timer_(daemon.executor()) {}

void ChangeControl::stop() {
  stopped_ = true;
  trial_timer_.cancel();
}

asio::awaitable<PlanReport> ChangeControl::plan(std::string text) const {
  config::LoadResult loaded = config::parse_changed_config(text, daemon_.file());
  PlanReport report{as_texts(loaded.errors), {}};
  if (loaded.config) report.plan = co_await make_whole_plan(daemon_, std::move(*loaded.config));
  co_return report;
}

// The file has what is in force, or what shall be: anything else was written by somebody and not read yet.
Obstacle ChangeControl::check_file(const std::string& text, std::string& problem) const {
  if (!daemon_.place().is_file()) return Obstacle::not_a_file;
  if (!config::may_replace_file(daemon_.file(), problem)) return Obstacle::file_not_writable;
  const config::TextFile now = config::read_text_file(daemon_.file());
  if (now.text && (*now.text == daemon_.config().document->text || *now.text == text)) return Obstacle::none;
  return Obstacle::file_edited;
}

asio::awaitable<ChangeReport> ChangeControl::apply(std::string text, std::optional<std::chrono::seconds> window) {
  const Turns::Turn turn = co_await daemon_.turns().take();
  if (trial_) co_return stopped_by(Obstacle::unconfirmed_change);
  ChangeReport report;
  report.obstacle = check_file(text, report.problem);
  if (report.obstacle != Obstacle::none) co_return report;

  const Trial trial{daemon_.history_entry(), window ? std::time(nullptr) + window->count() : 0};
  if (window && !write_unconfirmed(daemon_.file(), {trial.before, text, trial.until}, report.problem))
    co_return stopped_by(Obstacle::trial_cannot_be_kept, report.problem);
  report = co_await put_in_force(std::move(text));
  if (!report.done()) {
    if (window && !forget_unconfirmed(daemon_.file(), report.problem)) spdlog::error("{}", report.problem);
    co_return report;
  }
  report.number = daemon_.remember(ChangeOrigin::apply, "");
  spdlog::info("{} has a new configuration (by apply{}): {} services", daemon_.file(),
               window ? fmt::format(", to be confirmed within {} s", window->count()) : "",
               daemon_.config().services.size());
  if (!window) co_return report;
  trial_ = trial;
  report.confirm_until = trial.until;
  trial_timer_.expires_after(*window);
  asio::co_spawn(daemon_.executor(), await_confirmation(trial.until), asio::detached);
  co_return report;
}

// Of a text that the file does not have yet.
asio::awaitable<ChangeReport> ChangeControl::put_in_force(std::string text) {
  ChangeReport report;
  config::LoadResult loaded = config::parse_changed_config(text, daemon_.file());
  if (loaded.config) report.plan = co_await make_whole_plan(daemon_, *loaded.config);
  const HistoryEntry before = daemon_.history_entry();
  report.reload = co_await daemon_.put_in_force(std::move(loaded));
  if (!report.reload.accepted || config::replace_whole_file(daemon_.file(), text, report.problem)) co_return report;
  // The file cannot have it after all: then nobody shall.
  spdlog::error("{}: going back to the configuration before", report.problem);
  report.obstacle = Obstacle::file_not_writable;
  config::LoadResult old = config::parse_changed_config(before.text, daemon_.file());
  const ReloadReport back = co_await daemon_.put_in_force(std::move(old));
  for (const std::string& error : back.errors) spdlog::error("{}", error);
  co_return report;
}

ChangeReport ChangeControl::confirm() {
  if (!trial_) return stopped_by(Obstacle::nothing_unconfirmed);
  ChangeReport report;
  report.reload.accepted = true;
  report.reload.time = std::time(nullptr);
  if (!forget_unconfirmed(daemon_.file(), report.problem))
    return stopped_by(Obstacle::file_not_writable, report.problem);
  end_trial();
  spdlog::info("the configuration of {} is confirmed", daemon_.file());
  return report;
}

void ChangeControl::end_trial() {
  trial_.reset();
  trial_timer_.cancel();
}

asio::awaitable<void> ChangeControl::await_confirmation(std::time_t until) {
  const auto [error] = co_await trial_timer_.async_wait(kQuietly);
  if (error || stopped_) co_return;
  const Turns::Turn turn = co_await daemon_.turns().take();
  if (!trial_ || trial_->until != until || stopped_) co_return;
  spdlog::warn("nobody has confirmed the configuration of {}: going back to the one before", daemon_.file());
  HistoryEntry before = std::exchange(trial_, std::nullopt)->before;
  std::string note = "not confirmed";
  const ChangeReport report = co_await go_back(std::move(before), true, std::move(note));
  if (!report.done()) spdlog::error("{} still has the configuration that was not confirmed", daemon_.file());
}

std::optional<HistoryEntry> ChangeControl::entry_before(ChangeReport& report) const {
  const std::vector<HistoryRow>& rows = daemon_.history().rows();
  if (rows.size() < 2) {
    report.obstacle = Obstacle::nothing_before;
    return std::nullopt;
  }
  std::optional<HistoryEntry> entry = daemon_.history().read(rows[rows.size() - 2].number, report.problem);
  if (!entry) report.obstacle = Obstacle::no_such_entry;
  return entry;
}

asio::awaitable<ChangeReport> ChangeControl::rollback(std::optional<uint64_t> number) {
  const Turns::Turn turn = co_await daemon_.turns().take();
  ChangeReport report;
  std::optional<HistoryEntry> to;
  const bool of_trial = trial_ && !number;
  if (of_trial) {
    to = trial_->before;
  } else if (number) {
    to = daemon_.history().read(*number, report.problem);
    if (!to) co_return stopped_by(Obstacle::no_such_entry, report.problem);
  } else {
    to = entry_before(report);
    if (!to) co_return report;
  }
  // A trial can always be ended; what was edited meanwhile is left alone then.
  if (daemon_.place().is_file() && !of_trial) report.obstacle = check_file(to->text, report.problem);
  if (report.obstacle != Obstacle::none) co_return report;
  std::string note = of_trial ? "before it was confirmed" : fmt::format("to {}", to->number);
  report = co_await go_back(std::move(*to), of_trial, std::move(note));
  if (report.done() && trial_) {
    end_trial();
    if (!forget_unconfirmed(daemon_.file(), report.problem)) spdlog::error("{}", report.problem);
  }
  co_return report;
}

// What of it could not be brought back: said in the report and in the log.
void ChangeControl::restore_files(const HistoryEntry& to, bool of_trial, bool with_changes, ReloadReport& report) {
  std::string problem;
  const auto notice = [&](const std::string& text) {
    spdlog::error("{}", text);
    report.notices.push_back(text);
  };
  if (!daemon_.place().is_file()) {
    notice(fmt::format("{} has what it had: this holds until the next reload", daemon_.file()));
  } else if (of_trial) {
    const PutBack put = put_back(daemon_.file(), problem);
    if (put == PutBack::failed) notice(problem);
    if (put == PutBack::edited)
      notice(fmt::format("{} was edited meanwhile and left alone: it is not what is in force", daemon_.file()));
  } else if (!config::replace_whole_file(daemon_.file(), to.text, problem)) {
    notice(problem);
  }
  const config::Config& now = daemon_.config();
  if (with_changes && !config::write_changes(now.api.changes_file, now.document->changes, problem)) notice(problem);
}

// Of a trial: what REST changed meanwhile stays, unless it does not go together with what was before.
asio::awaitable<ChangeReport> ChangeControl::go_back(HistoryEntry to, bool of_trial, std::string note) {
  ChangeReport report;
  report.from = to.number;
  config::ChangesFile kept = config::parse_changes(to.changes, fmt::format("entry {} of the history", to.number));
  if (!kept.changes) co_return stopped_by(Obstacle::no_such_entry, config::format_error(kept.error));
  bool with_changes = !of_trial;
  const config::Changes changes = of_trial ? daemon_.config().document->changes : *kept.changes;
  config::LoadResult loaded = config::parse_config(to.text, daemon_.file(), &changes);
  if (!loaded.config && of_trial) {
    with_changes = true;
    loaded = config::parse_config(to.text, daemon_.file(), &*kept.changes);
  }
  if (loaded.config) report.plan = co_await make_whole_plan(daemon_, *loaded.config);
  report.reload = co_await daemon_.put_in_force(std::move(loaded));
  for (const std::string& error : report.reload.errors) spdlog::error("{}", error);
  if (!report.reload.accepted) co_return report;
  restore_files(to, of_trial, with_changes, report.reload);
  report.number = daemon_.remember(ChangeOrigin::rollback, note);
  spdlog::info("{}: went back to an earlier configuration ({})", daemon_.file(), note);
  co_return report;
}

}  // namespace millrace::control
