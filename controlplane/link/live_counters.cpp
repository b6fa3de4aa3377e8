#include "controlplane/link/live_counters.h"

#include <algorithm>
#include <numeric>

namespace millrace::control {

BackendLive sum_backend(const Segment& segment, BackendSlot slot) {
  BackendLive sum;
  if (raw(slot) >= kBackendMax) return sum;
  for (uint32_t worker = 0; worker < segment.worker_count(); ++worker) {
    const BackendCounters& part = segment.backend_counters(worker, raw(slot));
    sum.connections += part.connections.read();
    sum.active += part.active.read();
    sum.forward_packets += part.forward_packets.read();
    sum.reverse_packets += part.reverse_packets.read();
    sum.forward_bytes += part.forward_bytes.read();
    sum.reverse_bytes += part.reverse_bytes.read();
    sum.connect_failures += part.connect_failures.read();
    sum.resets += part.resets.read();
  }
  return sum;
}

ServiceLive sum_service(const Segment& segment, ServiceSlot slot) {
  ServiceLive sum;
  if (raw(slot) >= kServiceMax) return sum;
  for (uint32_t worker = 0; worker < segment.worker_count(); ++worker) {
    const ServiceCounters& part = segment.service_counters(worker, raw(slot));
    sum.connections += part.connections.read();
    sum.active += part.active.read();
    sum.no_backend += part.no_backend.read();
    sum.no_snat_port += part.no_snat_port.read();
    sum.no_slot += part.no_slot.read();
    sum.refused += part.refused.read();
    sum.syn_floods += part.syn_floods.read();
    sum.backends_full += part.backends_full.read();
    sum.service_full += part.service_full.read();
    sum.sessions_moved += part.sessions_moved.read();
    sum.denied += part.denied.read();
    sum.evicted += part.evicted.read();
    sum.limited += part.limited.read();
  }
  return sum;
}

std::vector<WorkerLive> read_workers(const Segment& segment) {
  std::vector<WorkerLive> workers;
  for (const WorkerCounters& counters : segment.worker_counters()) {
    WorkerLive& live = workers.emplace_back();
#define X(name, unit, sentence) live.name = counters.name.read();
    MR_WORKER_COUNTERS(X)
#undef X
    for (uint32_t reason = 0; reason < kDropReasonCount; ++reason)
      live.dropped[reason] = counters.dropped[reason].read();
    for (uint32_t port = 0; port < kPortMax; ++port)
      live.ports[port] = {.rx_packets = counters.ports[port].rx_packets.read(),
                          .handed_over = counters.ports[port].handed_over.read()};
  }
  return workers;
}

std::vector<StagesLive> read_stages(const Segment& segment) {
  std::vector<StagesLive> workers;
  for (const WorkerCounters& counters : segment.worker_counters()) {
    StagesLive& live = workers.emplace_back();
    for (uint32_t stage = 0; stage < kStageCount; ++stage)
      live[stage] = {.cycles = counters.stages[stage].cycles.read(), .packets = counters.stages[stage].packets.read()};
  }
  return workers;
}

std::vector<StagesLive> stages_between(const std::vector<StagesLive>& was, const std::vector<StagesLive>& is) {
  // A counter that went back is a peer's fault; nothing came.
  const auto grown = [](uint64_t from, uint64_t to) { return to > from ? to - from : 0; };
  std::vector<StagesLive> between(std::min(was.size(), is.size()));
  for (size_t worker = 0; worker < between.size(); ++worker)
    for (uint32_t stage = 0; stage < kStageCount; ++stage)
      between[worker][stage] = {.cycles = grown(was[worker][stage].cycles, is[worker][stage].cycles),
                                .packets = grown(was[worker][stage].packets, is[worker][stage].packets)};
  return between;
}

uint64_t WorkerLive::dropped_total() const { return std::accumulate(dropped.begin(), dropped.end(), uint64_t{0}); }

uint64_t WorkerLive::connections_open() const {
  // Two counters read one after the other: closed may already be ahead.
  return connections_opened > connections_closed ? connections_opened - connections_closed : 0;
}

}  // namespace millrace::control
