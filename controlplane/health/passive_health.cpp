#include "controlplane/health/passive_health.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "controlplane/link/live_slots.h"

namespace millrace::control {
namespace {

uint8_t trial_byte(double share) { return static_cast<uint8_t>(std::clamp(std::lround(share * 256), 1l, 255l)); }

// Who counts among those that may be out: the operator has not taken it away.
bool in_set(const DesiredBackend& backend) { return backend.admin == Admin::enabled && backend.weight > 0; }

// How many of a service's backends are out of use, and how many may be.
struct Room {
  uint64_t out = 0;
  uint64_t size = 0;
  bool holds_one_more(double max_ejected) const {
    return static_cast<double>(out + 1) <= max_ejected * static_cast<double>(size);
  }
};

Room room_of(const DesiredState& desired, const std::string& name) {
  Room room;
  const DesiredService* service = find_service(desired, name);
  if (service == nullptr) return room;
  for (const DesiredBackend& backend : service->backends) {
    if (!in_set(backend)) continue;
    ++room.size;
    // One on trial may have to go again.
    room.out += backend.health == Health::down || backend.trial != 0 ? 1 : 0;
  }
  return room;
}

bool is_down(const DesiredState& desired, const BackendKey& key) {
  const DesiredService* service = find_service(desired, key.service);
  const DesiredBackend* backend = service == nullptr ? nullptr : find_backend(*service, key.endpoint());
  return backend == nullptr || backend->health == Health::down;
}

void tell(const BackendKey& key, const CircuitBreaker& breaker, const config::PassiveHealthConfig& config) {
  const std::string name = format_key(key);
  switch (breaker.state()) {
    case BreakerState::open:
      return spdlog::warn("backend {} is ejected for {:.1f} s: {}", name,
                          static_cast<double>(breaker.sleep_ms()) / 1000, breaker.cause());
    case BreakerState::half_open:
      return spdlog::info("backend {} is on trial with {:g}% of its share", name, 100 * config.trial_share);
    case BreakerState::closed:
      return spdlog::info("backend {} is no longer ejected: {} of {} connections failed on trial", name,
                          breaker.trial().failed, breaker.trial().ended);
  }
}

}  // namespace

PassiveHealth::PassiveHealth() : random_(std::random_device{}()) {}

double PassiveHealth::jitter() { return std::uniform_real_distribution<double>(0.9, 1.1)(random_); }

void PassiveHealth::reconcile(const std::vector<const config::Config*>& configs) {
  ++round_;
  std::map<std::string, Panic> panics;
  for (const config::Config* from : configs) {
    for (const config::ServiceConfig& service : from->services) {
      if (!service.passive_health.enabled) continue;
      const auto config = std::make_shared<const config::PassiveHealthConfig>(service.passive_health);
      for (const config::BackendConfig& backend : service.backends) {
        Watched& watched = watched_[BackendKey(service.name, backend.endpoint)];
        if (watched.round == round_) continue;
        watched.round = round_;
        watched.config = config;
      }
      panics.emplace(service.name, panics_[service.name]);
    }
  }
  panics_ = std::move(panics);
  std::erase_if(watched_, [this](const auto& entry) {
    if (entry.second.round == round_) return false;
    table_.erase(entry.first);
    return true;
  });
  for (const auto& [key, watched] : watched_) put(key, watched);
  slots_known_ = false;
}

void PassiveHealth::put(const BackendKey& key, const Watched& watched) {
  switch (watched.breaker.state()) {
    case BreakerState::closed:
      table_.erase(key);
      return;
    case BreakerState::open:
      table_[key] = Ejection{.out = true};
      return;
    case BreakerState::half_open:
      table_[key] = Ejection{.out = false, .trial = trial_byte(watched.config->trial_share)};
      return;
  }
}

const CircuitBreaker* PassiveHealth::find(const BackendKey& key) const {
  const auto found = watched_.find(key);
  return found == watched_.end() ? nullptr : &found->second.breaker;
}

std::optional<uint64_t> PassiveHealth::panics(const std::string& service) const {
  const auto found = panics_.find(service);
  return found == panics_.end() ? std::nullopt : std::optional(found->second.count);
}

// Slots change hands only with a generation, and after the directory says so.
void PassiveHealth::find_slots(const std::shared_ptr<const Segment>& segment) {
  const uint64_t generation = segment->applied_generation();
  if (slots_known_ && segment == segment_ && generation == generation_) return;
  const LiveSlots slots(segment);
  for (auto& [key, watched] : watched_) {
    const BackendRow* const found = slots.find(key);
    const BackendSlot slot = found == nullptr ? kNoBackend : found->slot;
    watched.has_totals = watched.has_totals && segment == segment_ && slot == watched.slot;
    watched.slot = slot;
  }
  segment_ = segment;
  generation_ = generation;
  slots_known_ = true;
}

void PassiveHealth::count(Watched& watched, const Segment& segment, uint64_t now_ms) {
  Totals is;
  if (watched.slot != kNoBackend) {
    for (uint32_t worker = 0; worker < segment.worker_count(); ++worker) {
      const BackendCounters& counters = segment.backend_counters(worker, raw(watched.slot));
      is.opened += counters.connections.read();
      is.answered += segment.backend_handshakes(worker, raw(watched.slot)).answered.read();
      is.refused += counters.connect_failures.read();
      is.resets += counters.resets.read();
    }
  }
  const Totals was = std::exchange(watched.totals, is);
  // What went back was zeroed for another owner: nothing is known of what came between.
  const bool grown =
      is.opened >= was.opened && is.answered >= was.answered && is.refused >= was.refused && is.resets >= was.resets;
  const bool known = std::exchange(watched.has_totals, watched.slot != kNoBackend);
  BreakerCounts counts;
  if (known && grown) {
    const uint64_t refused = is.refused - was.refused;
    counts = {.opened = is.opened - was.opened,
              .ended = is.answered - was.answered + refused,
              .failed = refused + (watched.config->count_resets ? is.resets - was.resets : 0)};
  }
  watched.breaker.count(counts, now_ms, *watched.config);
}

bool PassiveHealth::advance(const BackendKey& key, Watched& watched, const HealthMonitor& checks, uint64_t now_ms) {
  if (watched.breaker.state() == BreakerState::closed) return false;
  const CheckState* check = watched.config->checks_readmit ? checks.find(key) : nullptr;
  if (check != nullptr && check->health == Health::up && watched.checks_needed != 0 &&
      check->check_count >= watched.checks_needed && check->cause.empty()) {
    watched.breaker.close(now_ms);
    put(key, watched);
    spdlog::info("backend {} is no longer ejected: its checks pass", format_key(key));
    return true;
  }
  if (!watched.breaker.advance(now_ms, jitter(), *watched.config)) return false;
  put(key, watched);
  tell(key, watched.breaker, *watched.config);
  return true;
}

bool PassiveHealth::eject(std::vector<Failing> failing, const DesiredState& desired, const HealthMonitor& checks,
                          uint64_t now_ms) {
  // Where not all can go, the worst do.
  std::ranges::sort(failing, [](const Failing& a, const Failing& b) {
    const double a_ratio = a.watched->breaker.error_ratio();
    const double b_ratio = b.watched->breaker.error_ratio();
    return a_ratio != b_ratio ? a_ratio > b_ratio : *a.key < *b.key;
  });
  std::map<std::string, Room> rooms;
  std::map<std::string, std::string> held;  // why somebody was not ejected, by service
  bool changed = false;
  for (const Failing& one : failing) {
    const BackendKey& key = *one.key;
    const config::PassiveHealthConfig& config = *one.watched->config;
    const auto [entry, added] = rooms.try_emplace(key.service);
    Room& room = entry->second;
    if (added) room = room_of(desired, key.service);
    const bool was_out = is_down(desired, key);
    if (!was_out && !room.holds_one_more(config.max_ejected)) {
      held.emplace(key.service,
                   fmt::format("{:.0f}% of the connections to {} fail, but {} of {} backends are out of use "
                               "and max_ejected is {:g}",
                               100 * one.watched->breaker.error_ratio(), format_endpoint(key.endpoint()), room.out,
                               room.size, config.max_ejected));
      continue;
    }
    room.out += was_out ? 0 : 1;
    one.watched->breaker.open(now_ms, jitter(), config);
    const CheckState* check = checks.find(key);
    // The one that is under way may have begun before.
    one.watched->checks_needed = check == nullptr ? 0 : check->check_count + 2;
    put(key, *one.watched);
    tell(key, one.watched->breaker, config);
    changed = true;
  }
  set_panics(held);
  return changed;
}

void PassiveHealth::set_panics(const std::map<std::string, std::string>& held) {
  for (auto& [service, panic] : panics_) {
    const auto found = held.find(service);
    const bool now = found != held.end();
    if (now && !panic.now) {
      ++panic.count;
      spdlog::warn("service {}: nobody more is ejected: {}", service, found->second);
    }
    if (!now && panic.now) spdlog::info("service {}: backends may be ejected again", service);
    panic.now = now;
  }
}

bool PassiveHealth::sample(const std::shared_ptr<const Segment>& segment, const DesiredState& desired,
                           const HealthMonitor& checks, uint64_t now_ms) {
  if (watched_.empty()) return false;
  if (segment) find_slots(segment);
  bool changed = false;
  std::vector<Failing> failing;
  for (auto& [key, watched] : watched_) {
    if (segment) count(watched, *segment, now_ms);
    changed |= advance(key, watched, checks, now_ms);
    if (watched.breaker.is_failing(*watched.config)) failing.push_back({&key, &watched});
  }
  return eject(std::move(failing), desired, checks, now_ms) || changed;
}

}  // namespace millrace::control
