#include "controlplane/discovery/discovery_monitor.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "controlplane/discovery/admission.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Backends = std::vector<config::BackendConfig>;

constexpr milliseconds kRetryFirst{1000};
constexpr milliseconds kRetryMax{30'000};
// However short-lived an answer is.
constexpr milliseconds kLifetimeMin{1000};

constexpr size_t kRefusedKeptMax = 1024;  // sentences a service

// Backends are kept in this order, so that the same set is the same list however a source puts it.
std::pair<IpAddr, uint16_t> place(const config::BackendConfig& backend) {
  return {backend.endpoint.addr, backend.endpoint.port.host()};
}

// What was added, removed and changed between two lists in order.
struct Difference {
  size_t added = 0;
  size_t removed = 0;
  size_t changed = 0;

  Difference(const Backends& from, const Backends& to) {
    auto was = from.begin();
    for (const config::BackendConfig& is : to) {
      for (; was != from.end() && place(*was) < place(is); ++was) ++removed;
      if (was == from.end() || place(is) < place(*was))
        ++added;
      else
        changed += *was++ == is ? 0 : 1;
    }
    removed += static_cast<size_t>(from.end() - was);
  }
};

std::string describe(const Difference& difference) {
  std::string text;
  const auto say = [&](size_t count, const char* what) {
    if (count == 0) return;
    text += text.empty() ? fmt::format("{} {} {}", count, count == 1 ? "backend" : "backends", what)
                         : fmt::format(", {} {}", count, what);
  };
  say(difference.added, "added");
  say(difference.removed, "removed");
  say(difference.changed, "changed");
  return text;
}

asio::awaitable<Answer> ask_within(Source& source, milliseconds timeout) {
  asio::steady_timer deadline(co_await asio::this_coro::executor, timeout);
  auto first = co_await (source.ask(timeout) || deadline.async_wait(kQuietly));
  if (first.index() == 1) co_return Answer::failed(fmt::format("no answer within {} ms", timeout.count()));
  co_return std::get<0>(std::move(first));
}

}  // namespace

// Shared with its coroutine, which may outlive the entry in watches_ until it has seen that it is cancelled.
struct DiscoveryMonitor::Watch {
  std::string service;
  config::DiscoveryConfig config;
  std::unique_ptr<Source> source;
  DiscoveryStatus status;
  std::optional<Backends> found;  // sorted by endpoint; nullopt: nobody has answered yet
  std::optional<milliseconds> lifetime;
  std::set<std::string> left_out;  // what is logged already
  bool unbelieved = false;         // the last answer was
  bool stopped = false;
  asio::cancellation_signal cancel;

  // In the loop: a signal from outside it would be on its way there when its coroutine has ended, and itself with it.
  static void end(const asio::any_io_executor& executor, const std::shared_ptr<Watch>& watch) {
    watch->stopped = true;
    asio::dispatch(executor, [watch] { watch->cancel.emit(asio::cancellation_type::terminal); });
  }
};

DiscoveryMonitor::DiscoveryMonitor(asio::any_io_executor executor, SourceMaker make, std::function<void()> on_change)
    : executor_(executor),
      make_(std::move(make)),
      on_change_(std::move(on_change)),
      change_timer_(executor),
      random_(std::random_device{}()) {}

DiscoveryMonitor::~DiscoveryMonitor() { stop(); }

void DiscoveryMonitor::stop() {
  for (const auto& [service, watch] : watches_) Watch::end(executor_, watch);
  watches_.clear();
  change_timer_.cancel();
  change_pending_ = false;
}

void DiscoveryMonitor::reconcile(const config::Config& config) {
  std::map<std::string, std::shared_ptr<Watch>> next;
  for (const config::ServiceConfig& service : config.services) {
    if (service.discovery.is_static()) continue;
    const auto known = watches_.find(service.name);
    const std::shared_ptr<Watch> running = known == watches_.end() ? nullptr : known->second;
    const bool goes_on = service.discovery.interval_ms != 0 || service.discovery.is_watched();
    if (running && running->config == service.discovery && goes_on) {
      next.emplace(service.name, running);
      continue;
    }
    auto watch = std::make_shared<Watch>();
    watch->service = service.name;
    watch->config = service.discovery;
    watch->source = make_(service.discovery);
    if (running) {
      watch->found = running->found;
      watch->left_out = running->left_out;
      if (running->config == service.discovery) watch->status = running->status;
      watch->status.found = running->status.found;
    }
    next.emplace(service.name, watch);
    start(watch);
  }
  for (const auto& [name, watch] : watches_) {
    const auto kept = next.find(name);
    if (kept == next.end() || kept->second != watch) Watch::end(executor_, watch);
  }
  watches_ = std::move(next);
  std::erase_if(refused_, [&](const auto& entry) { return !watches_.contains(entry.first); });
}

// The handler keeps the watch: its signal must outlive the coroutine, whose last act is to let go of the slot.
void DiscoveryMonitor::start(const std::shared_ptr<Watch>& watch) {
  asio::co_spawn(executor_, run_watch(this, watch),
                 asio::bind_cancellation_slot(watch->cancel.slot(), [watch](const std::exception_ptr&) {}));
}

// `monitor` is used only while the watch is not stopped, and ~DiscoveryMonitor stops every watch.
asio::awaitable<void> DiscoveryMonitor::run_watch(DiscoveryMonitor* monitor, std::shared_ptr<Watch> watch) {
  while (!watch->stopped) {
    watch->status.asked_at = std::time(nullptr);
    ++watch->status.asked;
    Answer answer = co_await ask_within(*watch->source, milliseconds(watch->config.timeout_ms));
    if (watch->stopped) co_return;
    monitor->take(*watch, std::move(answer));
    co_await watch->source->await_change(monitor->next_question(*watch));
  }
}

void DiscoveryMonitor::take(Watch& watch, Answer answer) {
  if (!answer.problem.empty()) return take_failure(watch, answer.problem);
  watch.lifetime = answer.lifetime;
  for (const std::string& entry : answer.left_out)
    if (!watch.left_out.contains(entry))
      spdlog::warn("service {}: left out by discovery {}: {}", watch.service, discovery_kind_name(watch.config), entry);
  watch.left_out = {answer.left_out.begin(), answer.left_out.end()};
  if (watch.status.fails_in_row != 0) {
    spdlog::info("service {}: discovery {} answers again", watch.service, discovery_kind_name(watch.config));
    tell("answering", watch, "");
  }
  watch.status.fails_in_row = 0;
  watch.status.answered_at = std::time(nullptr);

  Backends found = std::move(answer.backends);
  std::ranges::stable_sort(found, {}, place);
  const auto doubles = std::ranges::unique(found, {}, place);
  found.erase(doubles.begin(), doubles.end());
  const size_t in_force = watch.found ? watch.found->size() : 0;
  const bool believed = found.size() >= watch.config.min_backends || found.size() >= in_force;
  if (!believed) {
    ++watch.status.unbelieved;
    if (!watch.unbelieved) {
      spdlog::warn("service {}: discovery {} says {} backends, fewer than min_backends {}: the {} of before stay",
                   watch.service, discovery_kind_name(watch.config), found.size(), watch.config.min_backends, in_force);
      tell("unbelieved", watch, fmt::format("{} backends, fewer than min_backends", found.size()));
    }
  }
  watch.unbelieved = !believed;
  if (believed) set_found(watch, std::move(found));
}

void DiscoveryMonitor::take_failure(Watch& watch, const std::string& problem) {
  const bool is_news = watch.status.fails_in_row == 0 || watch.status.failure != problem;
  ++watch.status.failed;
  ++watch.status.fails_in_row;
  watch.status.failed_at = std::time(nullptr);
  watch.status.failure = problem;
  watch.lifetime.reset();
  const bool emptied = watch.config.fail_policy == config::FailPolicy::set_empty;
  if (is_news) tell("failed", watch, problem);
  if (is_news)
    spdlog::warn("service {}: discovery {} failed: {} ({})", watch.service, discovery_kind_name(watch.config), problem,
                 emptied ? "it has no backends until there is an answer" : "what was found before stays");
  if (emptied) set_found(watch, {});
}

void DiscoveryMonitor::set_found(Watch& watch, Backends found) {
  if (watch.found == found) return;
  const bool first = !watch.found;
  const std::string change = describe(Difference(watch.found.value_or(Backends{}), found));
  if (!change.empty()) {
    spdlog::info("service {}: {} by discovery {}", watch.service, change, discovery_kind_name(watch.config));
    tell("changed", watch, change);
  }
  if (found.empty() && !first)
    spdlog::warn("service {} has no backends left by discovery {}", watch.service, discovery_kind_name(watch.config));
  watch.status.found = found.size();
  watch.found = std::move(found);
  change_soon();
}

bool DiscoveryMonitor::keep(const std::string& service, Backends backends) {
  const auto found = watches_.find(service);
  if (found == watches_.end() || found->second->found) return false;
  std::ranges::stable_sort(backends, {}, place);
  found->second->status.found = backends.size();
  found->second->found = std::move(backends);
  return true;
}

void DiscoveryMonitor::tell(const char* what, const Watch& watch, const std::string& cause) {
  if (events_) events_->add({.kind = "discovery", .what = what, .service = watch.service, .cause = cause});
}

void DiscoveryMonitor::change_soon() {
  if (change_pending_) return;
  change_pending_ = true;
  change_timer_.expires_at(std::max(changed_at_ + kChangeEvery, steady_clock::now()));
  change_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    change_pending_ = false;
    changed_at_ = steady_clock::now();
    on_change_();
  });
}

void DiscoveryMonitor::fill(config::Config& config, const config::Config& before) {
  Admission admission(config);
  for (config::ServiceConfig& service : config.services) {
    if (service.discovery.is_static()) continue;
    const auto watch = watches_.find(service.name);
    const auto old = std::ranges::find(before.services, service.name, &config::ServiceConfig::name);
    Backends found;
    if (watch != watches_.end() && watch->second->found)
      found = *watch->second->found;
    else if (old != before.services.end())
      found = old->backends;
    std::ranges::stable_sort(found, {}, place);
    std::set<std::string> refused;
    service.backends = admission.admit(service, found, refused);
    log_refused(service.name, refused);
  }
}

// What was refused before is known, also when it was away for a while.
void DiscoveryMonitor::log_refused(const std::string& service, const std::set<std::string>& refused) {
  std::set<std::string>& known = refused_[service];
  if (known.size() > kRefusedKeptMax) known.clear();
  size_t news = 0;
  for (const std::string& sentence : refused) {
    if (!known.insert(sentence).second) continue;
    if (++news <= kComplaintMax) spdlog::warn("service {}: left out what was found: {}", service, sentence);
  }
  if (news > kComplaintMax) spdlog::warn("service {}: left out {} more", service, news - kComplaintMax);
}

bool DiscoveryMonitor::settled() const {
  return std::ranges::all_of(watches_,
                             [](const auto& entry) { return entry.second->found || entry.second->status.failed != 0; });
}

const DiscoveryStatus* DiscoveryMonitor::find(const std::string& service) const {
  const auto found = watches_.find(service);
  return found == watches_.end() ? nullptr : &found->second->status;
}

// +-10%: sources that were asked together are not asked together for ever.
milliseconds DiscoveryMonitor::jittered(milliseconds pause) {
  const auto tenth = pause.count() / 10;
  return milliseconds(pause.count() + std::uniform_int_distribution<long>(-tenth, tenth)(random_));
}

steady_clock::time_point DiscoveryMonitor::next_question(const Watch& watch) {
  const milliseconds interval(watch.config.interval_ms);
  const auto now = steady_clock::now();
  if (watch.status.fails_in_row != 0) {
    const milliseconds first = interval.count() == 0 ? kRetryFirst : std::min(interval, kRetryFirst);
    const uint32_t doublings = std::min(watch.status.fails_in_row - 1, 16u);
    return now + jittered(std::min(first * (1u << doublings), std::max(kRetryMax, interval)));
  }
  auto next = interval.count() == 0 ? steady_clock::time_point::max() : now + jittered(interval);
  if (watch.lifetime) next = std::min(next, now + std::max(*watch.lifetime, kLifetimeMin));
  return next;
}

}  // namespace millrace::control
