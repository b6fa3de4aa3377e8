// publisher.cpp: assign, build, steer, swap, tell, free.
#include "dataplane/link/publisher.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include "dataplane/link/monotonic.h"

namespace millrace {
namespace {

bool any_lost(const DesiredModel& model) {
  return std::ranges::any_of(model.services, [](const DesiredService& service) {
    return service.proto == Proto::udp && std::ranges::any_of(service.backends, [](const DesiredBackend& backend) {
             return backend.standing() == BackendStanding::lost;
           });
  });
}

}  // namespace

Publisher::Publisher(ProcessState& state, Steering& steering, Directory directory)
    : state_(state),
      steering_(steering),
      directory_(directory),
      slots_(state.qsbr,
             {state.service_counters, state.backend_counters_own, state.backend_handshakes, state.service_lifetimes}),
      departed_ranges_(state.qsbr, state.slab),
      retired_(state.qsbr),
      warming_(state.eligible) {
  auto empty = std::make_unique<Snapshot>();
  empty->services.resize(kServiceMax);
  auto routes = std::make_unique<RouteTable>(std::vector<Route>{}, route_epoch_);
  // Release; pairs with the workers' acquire loads, once a burst.
  state_.snapshot.store(empty.release(), std::memory_order_release);
  state_.routes.store(routes.release(), std::memory_order_release);
}

Publisher::~Publisher() {
  // The workers have stopped.
  delete state_.snapshot.exchange(nullptr, std::memory_order_acq_rel);
  delete state_.routes.exchange(nullptr, std::memory_order_acq_rel);
}

void Publisher::swap(std::unique_ptr<Snapshot> snapshot) {
  const Snapshot* old = state_.snapshot.load(std::memory_order_relaxed);
  // Pairs with the workers' acquire load.
  state_.snapshot.store(snapshot.release(), std::memory_order_release);
  retired_.add(std::shared_ptr<const Snapshot>(old));
}

void Publisher::set_routes(const std::vector<Route>& routes) {
  auto table = std::make_unique<RouteTable>(routes, ++route_epoch_);
  const RouteTable* old = state_.routes.load(std::memory_order_relaxed);
  // Pairs with the workers' acquire load.
  state_.routes.store(table.release(), std::memory_order_release);
  retired_.add(std::shared_ptr<const RouteTable>(old));
}

bool Publisher::set_addresses(std::vector<IpAddr> addresses) {
  std::swap(addresses_, addresses);
  if (publish_model(applied_, false) == RejectReason::none) return last_error_.empty();
  std::swap(addresses_, addresses);
  return false;
}

RejectReason Publisher::apply(DesiredModel wanted) {
  const RejectReason reason = publish_model(wanted, true);
  if (reason != RejectReason::none) return reason;
  applied_ = std::move(wanted);
  touched_.assign(applied_.services.size(), false);
  any_touched_ = false;
  return reason;
}

RejectReason Publisher::publish_model(DesiredModel& wanted, bool refuse_conflict) {
  last_error_.clear();
  const VipTable& old_vips = state_.snapshot.load(std::memory_order_relaxed)->vips;
  std::vector<SnatRangeCommand> departed;
  try {
    if (!slots_.assign(wanted)) {
      slots_.abandon(applied_);
      last_error_ = "every service or backend slot is in use, some by connections of what was removed before";
      return RejectReason::too_many;
    }
    departed = departed_ranges_.after_change(applied_.snat_ranges, wanted.snat_ranges);
    auto [snapshot, conflict] = builder_.build({wanted, slots_, departed, addresses_});
    last_error_ = std::move(conflict);
    if (refuse_conflict && !last_error_.empty()) {
      slots_.abandon(applied_);
      return RejectReason::bind_is_snat;
    }
    if (!steering_.add(snapshot->vips, last_error_)) {
      steering_.remove_others(old_vips);
      slots_.abandon(applied_);
      return RejectReason::steer_failed;
    }
    snapshot->any_lost = any_lost(wanted);
    for (const BackendSlot slot : slots_.departed_backends()) state_.eligible.set(slot, false);
    for (const DesiredService& service : wanted.services) tell_standings(service);
    swap(std::move(snapshot));
  } catch (const std::bad_alloc&) {
    slots_.abandon(applied_);
    last_error_ = "out of memory; give the host more, or configure fewer services (maglev needs 128 KiB each)";
    return RejectReason::no_memory;
  }
  departed_ranges_.commit(std::move(departed));
  slots_.commit(wanted);
  const Snapshot& current = *state_.snapshot.load(std::memory_order_relaxed);
  steering_.remove_others(current.vips);
  steering_.set_blocklist(current.blocklist.get(), current.vips);
  directory_.write(wanted);
  for (const DesiredService* service : slots_.departed_services()) directory_.mark(service->slot, SlotLife::leaving);
  for (const BackendSlot slot : slots_.departed_backends()) directory_.mark(slot, SlotLife::leaving);
  return RejectReason::none;
}

void Publisher::set_backend(const SetBackendCommand& command) {
  DesiredService& service = applied_.services[raw(command.service)];
  DesiredBackend& backend = service.backends[raw(command.backend)];
  backend.take(command);
  tell_standing(service, backend, serves(service));
  directory_.write_backend(service.slot, backend);
  touched_[raw(command.service)] = true;
  any_touched_ = true;
}

void Publisher::flush() {
  if (!any_touched_ || must_wait()) return;
  std::vector<const DesiredService*> changed;
  for (size_t i = 0; i < touched_.size(); ++i)
    if (touched_[i]) changed.push_back(&applied_.services[i]);
  auto snapshot = builder_.with_changed(*state_.snapshot.load(std::memory_order_relaxed), changed);
  snapshot->any_lost = any_lost(applied_);
  swap(std::move(snapshot));
  std::fill(touched_.begin(), touched_.end(), false);
  any_touched_ = false;
}

bool Publisher::serves(const DesiredService& service) const {
  return std::ranges::any_of(service.backends,
                             [&](const DesiredBackend& backend) { return state_.eligible.read(backend.slot); });
}

// One that comes back while nobody else serves gets everything: there is no load to spare it.
void Publisher::tell_standing(const DesiredService& service, const DesiredBackend& backend, bool others_serve) {
  const bool whole = backend.standing() == BackendStanding::eligible;
  if (whole && !state_.eligible.has_whole_share(backend.slot))
    warming_.begin(backend.slot, monotonic_ms(), others_serve ? service.slow_start_ms : 0);
  state_.eligible.set_trial(backend.slot, backend.trial);
  state_.eligible.set(backend.slot, backend.standing());
}

void Publisher::tell_standings(const DesiredService& service) {
  const bool others_serve = serves(service);
  for (const DesiredBackend& backend : service.backends) tell_standing(service, backend, others_serve);
}

void Publisher::reclaim() {
  warming_.advance(monotonic_ms());
  const bool ranges_gone = departed_ranges_.sweep();
  if (!slots_.reclaim() && !ranges_gone) return;
  for (const ServiceSlot slot : slots_.freed_services()) directory_.mark(slot, SlotLife::free);
  for (const BackendSlot slot : slots_.freed_backends()) {
    directory_.mark(slot, SlotLife::free);
    state_.eligible.set(slot, false);
  }
  // VIPs, nat backends and SNAT ranges of what is gone need no steering any more. Fewer of them cannot be refused.
  publish_model(applied_, false);
}

}  // namespace millrace
