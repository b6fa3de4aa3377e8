// dataplane_warnings.cpp: the dataplane's own words about limits, as log lines and events; at most one of a kind in
// kWarnPauseMs.
#include <spdlog/spdlog.h>

#include "controlplane/link/dataplane_link.h"
#include "controlplane/link/directory.h"

namespace millrace::control {
namespace {

constexpr uint64_t kWarnPauseMs = 10'000;

bool is_pause(uint64_t now_ms, uint64_t warned_ms) { return warned_ms != 0 && now_ms < warned_ms + kWarnPauseMs; }

std::string service_name(const Segment& segment, ServiceSlot slot) {
  const std::optional<ServiceRow> row = read_service(segment, slot);
  return row ? row->name : "(unknown)";
}

}  // namespace

void DataplaneLink::warn_full(const Event& event, uint64_t now_ms) {
  if (is_pause(now_ms, full_warned_ms_)) return;
  full_warned_ms_ = now_ms;
  tell_limit(event.kind == EventKind::slab_full ? "slab_full"
             : event.kind == EventKind::evicted ? "evicted"
                                                : "snat_exhausted",
             event);
  if (event.kind == EventKind::slab_full)
    spdlog::warn("dataplane refused {} connections: every slot is in use; raise [dataplane] connections", event.count);
  else if (event.kind == EventKind::evicted)
    spdlog::warn("service {}: {} connections that were not in use made room for others; raise [dataplane] connections",
                 service_name(*peer_->segment, event.service), event.count);
  else
    spdlog::warn("dataplane refused {} connections: no SNAT port is free; add addresses to the SNAT pool", event.count);
}

void DataplaneLink::warn_refused(const Event& event, uint64_t now_ms) {
  clients_refused_[event.service] += event.count;
  if (is_pause(now_ms, refused_warned_ms_)) return;
  refused_warned_ms_ = now_ms;
  for (const auto& [service, count] : clients_refused_) {
    const std::string name = service_name(*peer_->segment, service);
    spdlog::warn("service {}: no backend took {} proven clients", name, count);
    tell({.kind = "limit", .what = "clients_refused", .service = name, .count = count});
  }
  clients_refused_.clear();
}

void DataplaneLink::warn_limit(const Event& event, uint64_t now_ms) {
  uint64_t& warned_ms = limit_warned_ms_[event.service];
  if (is_pause(now_ms, warned_ms)) return;
  warned_ms = now_ms;
  const std::string name = service_name(*peer_->segment, event.service);
  tell_limit(event.kind == EventKind::service_full ? "service_full" : "backends_full", event);
  if (event.kind == EventKind::service_full)
    spdlog::warn("service {}: its max_connections are open, new connections are dropped", name);
  else
    spdlog::warn("service {}: every backend has its max_connections open, new connections are dropped", name);
}

void DataplaneLink::tell_syn_proxy(const Event& event) {
  const std::string name = service_name(*peer_->segment, event.service);
  tell_limit(event.kind == EventKind::syn_proxy_on ? "syn_proxy_on" : "syn_proxy_off", event);
  if (event.kind == EventKind::syn_proxy_on)
    spdlog::warn("service {}: SYNs come faster than its syn_proxy_rate, clients must prove themselves", name);
  else
    spdlog::info("service {}: SYNs come slowly again, clients need no proof any more", name);
}

void DataplaneLink::tell(const Happening& happening) {
  if (events_) events_->add(happening);
}

// The slab belongs to nobody; what else is full is a service's.
void DataplaneLink::tell_limit(const char* what, const Event& event) {
  Happening happening = {.kind = "limit", .what = what, .count = event.count};
  if (event.kind != EventKind::slab_full) happening.service = service_name(*peer_->segment, event.service);
  tell(happening);
}

}  // namespace millrace::control
