#include "controlplane/metrics/metrics_page.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "controlplane/link/directory.h"
#include "controlplane/link/live_counters.h"
#include "controlplane/link/live_slots.h"
#include "controlplane/metrics/histogram_rows.h"
#include "controlplane/metrics/text_format.h"

namespace millrace::control {
namespace {

// About what the samples of one take: a page that grows in steps is copied with each.
constexpr size_t kBackendBytes = 2'900;
constexpr size_t kServiceBytes = 3'500;
constexpr char kCounter[] = "counter";
constexpr char kGauge[] = "gauge";
constexpr char kHistogram[] = "histogram";

const char* family_word(Family family) { return family == Family::ipv4 ? "ipv4" : "ipv6"; }

struct BackendMetrics {
  std::string labels;     // ours
  std::string gobetween;  // its own
  const DesiredBackend* desired = nullptr;
  BackendLive live;
  Bandwidth bandwidth;
  std::optional<LatencyRow> latency;        // of TCP whose answers come by
  const CircuitBreaker* breaker = nullptr;  // null: not watched
};

struct ServiceMetrics {
  std::string labels;
  std::string gobetween;
  const DesiredService* desired = nullptr;
  ServiceLive live;
  BackendLive sum;
  LifetimesLive lifetimes;
  Bandwidth bandwidth;
  std::optional<uint64_t> panics;  // of those that may eject backends
};

struct Reading {
  std::vector<ServiceMetrics> services;
  std::vector<BackendMetrics> backends;
};

std::string host_of(const Endpoint& endpoint) { return format_ip(endpoint.addr); }

void add_up(ServiceMetrics& service, const BackendMetrics& backend) {
  service.sum.forward_bytes += backend.live.forward_bytes;
  service.sum.reverse_bytes += backend.live.reverse_bytes;
  service.bandwidth.forward_bytes += backend.bandwidth.forward_bytes;
  service.bandwidth.reverse_bytes += backend.bandwidth.reverse_bytes;
}

BackendMetrics read_backend(const Daemon& daemon, const LiveSlots& slots, const DesiredService& of,
                            const DesiredBackend& backend) {
  const std::string& service = of.name;
  BackendMetrics row;
  row.desired = &backend;
  row.labels = make_labels({{"service", service}, {"backend", format_endpoint(backend.endpoint)}});
  row.gobetween = make_labels({{"server", service},
                               {"host", host_of(backend.endpoint)},
                               {"port", std::to_string(backend.endpoint.port.host())}});
  const BackendKey key(service, backend.endpoint);
  row.breaker = daemon.passive_health().find(key);
  const BackendRow* const found = slots.find(key);
  if (found == nullptr) return row;
  row.live = sum_backend(*slots.segment(), found->slot);
  row.bandwidth = daemon.bandwidth().of(found->slot);
  if (of.proto == Proto::tcp && !is_direct(of.mode))
    row.latency = latency_row(sum_handshakes(*slots.segment(), found->slot));
  return row;
}

Reading read_all(const Daemon& daemon) {
  const LiveSlots slots(daemon.link().segment());
  Reading reading;
  for (const DesiredService& service : daemon.desired().services) {
    ServiceMetrics row;
    row.desired = &service;
    row.labels = make_labels({{"service", service.name}});
    row.gobetween = make_labels({{"server", service.name}});
    row.panics = daemon.passive_health().panics(service.name);
    if (const auto slot = slots.find_service(service.name)) {
      row.live = sum_service(*slots.segment(), *slot);
      row.lifetimes = sum_lifetimes(*slots.segment(), *slot);
    }
    for (const DesiredBackend& backend : service.backends) {
      reading.backends.push_back(read_backend(daemon, slots, service, backend));
      add_up(row, reading.backends.back());
    }
    reading.services.push_back(std::move(row));
  }
  return reading;
}

// One family over all rows.
template <typename Row, typename Get>
void add_family(TextFormat& text, const char* name, const char* type, const char* help, const std::vector<Row>& rows,
                std::string Row::*labels, Get&& get) {
  text.family(name, type, help);
  for (const Row& row : rows) text.sample(row.*labels, get(row));
}

void add_services(TextFormat& text, const std::vector<ServiceMetrics>& rows) {
  const auto add = [&](const char* name, const char* type, const char* help, auto&& get) {
    add_family(text, name, type, help, rows, &ServiceMetrics::labels, get);
  };
  const auto count = [&](const char* name, const char* help, uint64_t ServiceLive::*member) {
    add(name, kCounter, help, [member](const ServiceMetrics& row) { return row.live.*member; });
  };
  add("millrace_service_up", kGauge, "1: a backend gets new connections",
      [](const ServiceMetrics& row) { return uint64_t{row.desired->up()}; });
  add("millrace_service_backends", kGauge, "Backends that are configured",
      [](const ServiceMetrics& row) { return uint64_t{row.desired->backends.size()}; });
  add("millrace_service_connections", kGauge, "Entries of the connection table",
      [](const ServiceMetrics& row) { return row.live.active; });
  count("millrace_service_connections_total", "Connections and UDP sessions opened", &ServiceLive::connections);
  count("millrace_service_no_backend_total", "Connections refused: no backend is up", &ServiceLive::no_backend);
  count("millrace_service_no_snat_port_total", "Connections refused: no source port was free towards the backend",
        &ServiceLive::no_snat_port);
  count("millrace_service_no_slot_total", "Connections refused: the connection table was full", &ServiceLive::no_slot);
  count("millrace_service_refused_total", "Proven clients that were reset: no backend took them",
        &ServiceLive::refused);
  count("millrace_service_syn_floods_total", "Times that SYN cookies began by themselves", &ServiceLive::syn_floods);
  count("millrace_service_backends_full_total", "Connections refused: every backend had its max_connections",
        &ServiceLive::backends_full);
  count("millrace_service_full_total", "Connections refused: the service had its max_connections",
        &ServiceLive::service_full);
  count("millrace_service_sessions_moved_total", "UDP sessions that left a lost backend", &ServiceLive::sessions_moved);
  count("millrace_service_denied_total", "Packets that access rules refused", &ServiceLive::denied);
  count("millrace_service_evicted_total", "Connections that made room for others", &ServiceLive::evicted);
  count("millrace_service_limited_total", "Packets that came faster than a rate", &ServiceLive::limited);
  text.family("millrace_service_connection_duration_seconds", kHistogram, "Of ended ones, from first packet to last");
  for (const ServiceMetrics& row : rows) add_lifetimes(text, row.labels, row.lifetimes);
  text.family("millrace_service_ejection_panics_total", kCounter,
              "Times that too many backends were out of use to eject another");
  for (const ServiceMetrics& row : rows)
    if (row.panics) text.sample(row.labels, *row.panics);
}

void add_backends(TextFormat& text, const std::vector<BackendMetrics>& rows) {
  const auto add = [&](const char* name, const char* type, const char* help, auto&& get) {
    add_family(text, name, type, help, rows, &BackendMetrics::labels, get);
  };
  const auto count = [&](const char* name, const char* help, uint64_t BackendLive::*member) {
    add(name, kCounter, help, [member](const BackendMetrics& row) { return row.live.*member; });
  };
  add("millrace_backend_up", kGauge, "1: its checks pass",
      [](const BackendMetrics& row) { return uint64_t{row.desired->health == Health::up}; });
  add("millrace_backend_enabled", kGauge, "1: the operator has neither drained nor disabled it",
      [](const BackendMetrics& row) { return uint64_t{row.desired->admin == Admin::enabled}; });
  add("millrace_backend_weight", kGauge, "Its weight now",
      [](const BackendMetrics& row) { return uint64_t{row.desired->weight}; });
  add("millrace_backend_connections", kGauge, "Entries of the connection table",
      [](const BackendMetrics& row) { return row.live.active; });
  count("millrace_backend_connections_total", "Connections and UDP sessions opened to it", &BackendLive::connections);
  count("millrace_backend_forward_packets_total", "Packets from clients", &BackendLive::forward_packets);
  count("millrace_backend_reverse_packets_total", "Packets to clients", &BackendLive::reverse_packets);
  count("millrace_backend_forward_bytes_total", "Bytes of IP packets from clients", &BackendLive::forward_bytes);
  count("millrace_backend_reverse_bytes_total", "Bytes of IP packets to clients", &BackendLive::reverse_bytes);
  count("millrace_backend_connect_failures_total", "Handshakes that it refused or left unanswered",
        &BackendLive::connect_failures);
  count("millrace_backend_resets_total", "Resets by it after the handshake", &BackendLive::resets);
}

// What its connections tell of a backend.
void add_observed(TextFormat& text, const std::vector<BackendMetrics>& rows) {
  text.family("millrace_backend_connect_latency_seconds", kHistogram, "From the first SYN to the SYN-ACK");
  for (const BackendMetrics& row : rows)
    if (row.latency) add_latency(text, row.labels, *row.latency);
  text.family("millrace_backend_ejected", kGauge, "1: it gets nothing because its connections failed");
  for (const BackendMetrics& row : rows)
    if (row.breaker) text.sample(row.labels, uint64_t{row.breaker->state() == BreakerState::open});
  text.family("millrace_backend_on_trial", kGauge, "1: after an ejection it gets a part of its share");
  for (const BackendMetrics& row : rows)
    if (row.breaker) text.sample(row.labels, uint64_t{row.breaker->state() == BreakerState::half_open});
  text.family("millrace_backend_ejections_total", kCounter, "Times that it was ejected");
  for (const BackendMetrics& row : rows)
    if (row.breaker) text.sample(row.labels, row.breaker->ejections());
}

// gobetween's, all of them gauges as there. Its rx is what comes from clients.
void add_gobetween_servers(TextFormat& text, const std::vector<ServiceMetrics>& rows) {
  const auto add = [&](const char* name, const char* help, auto&& get) {
    add_family(text, name, kGauge, help, rows, &ServiceMetrics::gobetween, get);
  };
  add("gobetween_server_count", "As gobetween: backends of the server",
      [](const ServiceMetrics& row) { return uint64_t{row.desired->backends.size()}; });
  add("gobetween_server_active_connections", "As gobetween", [](const ServiceMetrics& row) { return row.live.active; });
  add("gobetween_server_rx_total", "As gobetween: bytes from clients",
      [](const ServiceMetrics& row) { return row.sum.forward_bytes; });
  add("gobetween_server_tx_total", "As gobetween: bytes to clients",
      [](const ServiceMetrics& row) { return row.sum.reverse_bytes; });
  add("gobetween_server_rx_second", "As gobetween: bytes a second from clients",
      [](const ServiceMetrics& row) { return row.bandwidth.forward_bytes; });
  add("gobetween_server_tx_second", "As gobetween: bytes a second to clients",
      [](const ServiceMetrics& row) { return row.bandwidth.reverse_bytes; });
}

void add_gobetween_backends(TextFormat& text, const std::vector<BackendMetrics>& rows) {
  const auto add = [&](const char* name, const char* help, auto&& get) {
    add_family(text, name, kGauge, help, rows, &BackendMetrics::gobetween, get);
  };
  add("gobetween_backend_active_connections", "As gobetween",
      [](const BackendMetrics& row) { return row.live.active; });
  add("gobetween_backend_refused_connections", "As gobetween: attempts that failed",
      [](const BackendMetrics& row) { return row.live.connect_failures; });
  add("gobetween_backend_total_connections", "As gobetween",
      [](const BackendMetrics& row) { return row.live.connections; });
  add("gobetween_backend_rx_bytes", "As gobetween: from clients",
      [](const BackendMetrics& row) { return row.live.forward_bytes; });
  add("gobetween_backend_tx_bytes", "As gobetween: to clients",
      [](const BackendMetrics& row) { return row.live.reverse_bytes; });
  add("gobetween_backend_rx_second", "As gobetween",
      [](const BackendMetrics& row) { return row.bandwidth.forward_bytes; });
  add("gobetween_backend_tx_second", "As gobetween",
      [](const BackendMetrics& row) { return row.bandwidth.reverse_bytes; });
  add("gobetween_backend_live", "As gobetween: 1: its checks pass",
      [](const BackendMetrics& row) { return uint64_t{row.desired->health == Health::up}; });
}

std::string worker_labels(size_t worker) { return make_labels({{"worker", std::to_string(worker)}}); }

bool is_gauge(std::string_view sentence) { return sentence.starts_with("gauge: "); }

void add_workers(TextFormat& text, const Daemon& daemon, const std::vector<WorkerLive>& workers) {
  const auto add = [&](std::string_view name, std::string_view unit, std::string_view sentence,
                       uint64_t WorkerLive::*member) {
    const bool gauge = is_gauge(sentence);
    text.family(fmt::format("millrace_worker_{}{}", name, gauge ? "" : "_total"), gauge ? kGauge : kCounter,
                fmt::format("{}: {}", unit, sentence));
    for (size_t worker = 0; worker < workers.size(); ++worker)
      text.sample(worker_labels(worker), workers[worker].*member);
  };
#define X(name, unit, sentence) add(#name, unit, sentence, &WorkerLive::name);
  MR_WORKER_COUNTERS(X)
#undef X
  text.family("millrace_worker_busy_ratio", kGauge, "Of the last second, what turns with packets took: 0 to 1");
  const std::vector<WorkerRate>& rates = daemon.rates().rates();
  for (size_t worker = 0; worker < rates.size(); ++worker) text.sample(worker_labels(worker), rates[worker].busy_ratio);
  text.family("millrace_dropped_packets_total", kCounter, "Packets that ended here, by reason");
  for (size_t worker = 0; worker < workers.size(); ++worker)
    for (uint32_t reason = 0; reason < kDropReasonCount; ++reason)
      text.sample(make_labels({{"worker", std::to_string(worker)}, {"reason", kDropReasonNames[reason]}}),
                  workers[worker].dropped[reason]);
}

void add_ports(TextFormat& text, const Segment& segment, const std::vector<WorkerLive>& workers) {
  const std::vector<PortRow> ports = read_ports(segment);
  const auto add = [&](const char* name, const char* help, uint64_t PortLive::*member) {
    text.family(name, kCounter, help);
    for (size_t port = 0; port < ports.size(); ++port) {
      uint64_t sum = 0;
      for (const WorkerLive& worker : workers) sum += worker.ports[port].*member;
      text.sample(make_labels({{"port", ports[port].name}}), sum);
    }
  };
  add("millrace_port_rx_packets_total", "Packets that workers took from the port", &PortLive::rx_packets);
  add("millrace_port_handed_over_total", "Packets of the port that another worker owned", &PortLive::handed_over);
}

void add_snat(TextFormat& text, const std::vector<SnatUse>& uses) {
  const auto add = [&](const char* name, const char* help, auto&& get) {
    text.family(name, kGauge, help);
    for (const SnatUse& use : uses)
      text.sample(make_labels({{"pool", use.pool}, {"family", family_word(use.family)}}), get(use));
  };
  add("millrace_snat_ports", "Ports of all addresses of the pool", [](const SnatUse& use) { return use.port_count; });
  add("millrace_snat_connections", "Connections that have one of them",
      [](const SnatUse& use) { return use.connections; });
  add("millrace_snat_use_ratio", "In use towards the fullest backend at its fullest worker: 0 to 1",
      [](const SnatUse& use) { return use.share; });
}

void add_dataplane(TextFormat& text, const Daemon& daemon, const Segment& segment) {
  const std::vector<WorkerLive> workers = read_workers(segment);
  uint64_t open = 0;
  for (const WorkerLive& worker : workers) open += worker.connections_open();
  text.family("millrace_connections", kGauge, "Entries of the connection table in use");
  text.sample("", open);
  text.family("millrace_connections_capacity", kGauge, "Entries of the connection table");
  text.sample("", uint64_t{segment.connection_count()});
  text.family("millrace_dataplane_start_time_seconds", kGauge, "When the dataplane started, by the monotonic clock");
  text.sample("", static_cast<double>(segment.dataplane_start_ms()) / 1000);
  text.family("millrace_blocked_in_xdp_total", kCounter, "Packets of blocked sources, dropped before a worker");
  text.sample("", segment.blocked_in_xdp());
  text.family("millrace_events_dropped_total", kCounter, "Events that the control plane was not told");
  text.sample("", segment.events_dropped());
  add_workers(text, daemon, workers);
  add_ports(text, segment, workers);
}

void add_control(TextFormat& text, const Daemon& daemon) {
  const LinkStatus link = daemon.link().status();
  text.family("millrace_build_info", kGauge, "Always 1");
  text.sample(make_labels({{"version", MR_VERSION}, {"abi", std::to_string(kAbiVersion)}}), uint64_t{1});
  text.family("gobetween_build_info", kGauge, "As gobetween; always 1");
  text.sample(make_labels({{"version", MR_VERSION}, {"revision", ""}, {"branch", ""}, {"goversion", ""}}), uint64_t{1});
  text.family("millrace_dataplane_up", kGauge, "1: a dataplane is connected");
  text.sample("", uint64_t{link.connected});
  text.family("millrace_config_generation", kGauge, "Of the configuration that was sent, and of the one in force");
  text.sample(make_labels({{"state", "sent"}}), link.generation_sent);
  text.sample(make_labels({{"state", "applied"}}), link.generation_applied);
  const FlowCounts flows = daemon.flow_log().counts();
  text.family("millrace_flow_log_flows_total", kCounter,
              "Connections that ended while there was a flow log, by what became of it");
  text.sample(make_labels({{"outcome", "written"}}), flows.written);
  text.sample(make_labels({{"outcome", "over_rate"}}), flows.over_rate);
  text.sample(make_labels({{"outcome", "lost"}}), flows.lost);
  text.sample(make_labels({{"outcome", "malformed"}}), flows.malformed);
}

}  // namespace

std::string metrics_page(const Daemon& daemon) {
  const Reading reading = read_all(daemon);
  TextFormat text;
  text.reserve(reading.backends.size() * kBackendBytes + reading.services.size() * kServiceBytes);
  add_control(text, daemon);
  if (const std::shared_ptr<const Segment> segment = daemon.link().segment()) add_dataplane(text, daemon, *segment);
  add_snat(text, daemon.snat().uses());
  add_services(text, reading.services);
  add_backends(text, reading.backends);
  add_observed(text, reading.backends);
  add_gobetween_servers(text, reading.services);
  add_gobetween_backends(text, reading.backends);
  return text.take();
}

}  // namespace millrace::control
