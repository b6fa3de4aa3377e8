#include "controlplane/metrics/metrics_reading.h"

#include <cmath>

#include "controlplane/link/live_slots.h"

namespace millrace::control {
namespace {

uint64_t rounded(double value) { return static_cast<uint64_t>(std::llround(value)); }

void read_labels(const std::string& service, const Endpoint& endpoint, BackendMetrics& out) {
  const std::string host = format_ip(endpoint.addr);
  out.labels.add({{"service", service}, {"backend", format_endpoint(endpoint)}});
  out.gobetween.add({{"server", service}, {"host", host}, {"port", std::to_string(endpoint.port.host())}});
}

void read_wishes(const DesiredBackend& desired, BackendMetrics& out) {
  out.up.push_back(desired.health == Health::up);
  out.enabled.push_back(desired.admin == Admin::enabled);
  out.weight.push_back(desired.weight);
}

void read_breaker(const CircuitBreaker* breaker, BackendMetrics& out) {
  out.ejected.push_back(breaker == nullptr ? kNoSample : breaker->state() == BreakerState::open);
  out.on_trial.push_back(breaker == nullptr ? kNoSample : breaker->state() == BreakerState::half_open);
  out.ejections.push_back(breaker == nullptr ? kNoSample : breaker->ejections());
}

void read_counters(const BackendLive& live, const Bandwidth& bandwidth, BackendMetrics& out) {
  out.active.push_back(live.active);
  out.connections.push_back(live.connections);
  out.forward_packets.push_back(live.forward_packets);
  out.reverse_packets.push_back(live.reverse_packets);
  out.forward_bytes.push_back(live.forward_bytes);
  out.reverse_bytes.push_back(live.reverse_bytes);
  out.connect_failures.push_back(live.connect_failures);
  out.resets.push_back(live.resets);
  out.forward_bytes_a_second.push_back(rounded(bandwidth.forward_bytes));
  out.reverse_bytes_a_second.push_back(rounded(bandwidth.reverse_bytes));
}

// Of a service, those of its backends added to `out`.
ServiceMetrics read_service_metrics(const Daemon& daemon, const LiveSlots& slots, const DesiredService& desired,
                                    BackendMetrics& out) {
  ServiceMetrics service;
  service.desired = &desired;
  service.labels = make_labels({{"service", desired.name}});
  service.gobetween = make_labels({{"server", desired.name}});
  service.panics = daemon.passive_health().panics(desired.name);
  if (const auto slot = slots.find_service(desired.name)) {
    service.live = sum_service(*slots.segment(), *slot);
    service.lifetimes = sum_lifetimes(*slots.segment(), *slot);
  }
  const bool answers_come_by = desired.proto == Proto::tcp && !is_direct(desired.mode);
  for (const DesiredBackend& backend : desired.backends) {
    const BackendKey key(desired.name, backend.endpoint);
    const BackendRow* const found = slots.find(key);
    const BackendLive live = found == nullptr ? BackendLive{} : sum_backend(*slots.segment(), found->slot);
    const Bandwidth bandwidth = found == nullptr ? Bandwidth{} : daemon.bandwidth().of(found->slot);
    read_labels(desired.name, backend.endpoint, out);
    read_wishes(backend, out);
    read_counters(live, bandwidth, out);
    read_breaker(daemon.passive_health().find(key), out);
    std::optional<LatencyRow>& latency = out.latency.emplace_back();
    if (found != nullptr && answers_come_by) latency = latency_row(sum_handshakes(*slots.segment(), found->slot));
    service.forward_bytes += live.forward_bytes;
    service.reverse_bytes += live.reverse_bytes;
    service.bandwidth.forward_bytes += bandwidth.forward_bytes;
    service.bandwidth.reverse_bytes += bandwidth.reverse_bytes;
  }
  return service;
}

}  // namespace

MetricsReading read_metrics(const Daemon& daemon) {
  const LiveSlots slots(daemon.link().segment());
  MetricsReading reading{.state = daemon.desired_now()};
  for (const DesiredService& service : reading.state->services)
    reading.services.push_back(read_service_metrics(daemon, slots, service, reading.backends));
  return reading;
}

}  // namespace millrace::control
