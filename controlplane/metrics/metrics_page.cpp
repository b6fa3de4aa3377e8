#include "controlplane/metrics/metrics_page.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "controlplane/link/directory.h"
#include "controlplane/link/live_counters.h"

namespace millrace::control {
namespace {

constexpr size_t kRowBytes = 4 << 10;  // what a row may take beyond a full piece: a histogram with the longest names
constexpr char kCounter[] = "counter";
constexpr char kGauge[] = "gauge";
constexpr char kHistogram[] = "histogram";

const char* family_word(Family family) { return family == Family::ipv4 ? "ipv4" : "ipv6"; }

using Families = std::vector<MetricFamily>;

// One family over all rows; `add(text, row)` writes what it has of one.
template <typename Add>
void add_family(Families& families, MetricFamily family, size_t row_count, Add add) {
  family.row_count = row_count;
  family.add_row = add;
  families.push_back(std::move(family));
}

// Each service has a sample.
template <typename Get>
void add_service_family(Families& families, MetricFamily family, const std::vector<ServiceMetrics>& rows,
                        std::string ServiceMetrics::*labels, Get get) {
  add_family(families, std::move(family), rows.size(),
             [&rows, labels, get](TextFormat& text, size_t row) { text.sample(rows[row].*labels, get(rows[row])); });
}

void add_backend_family(Families& families, MetricFamily family, const LabelColumn& labels, const Column& column) {
  add_family(families, std::move(family), labels.row_count(), [&labels, &column](TextFormat& text, size_t row) {
    if (column[row] != kNoSample) text.sample(labels[row], column[row]);
  });
}

void list_services(Families& families, const std::vector<ServiceMetrics>& rows) {
  const auto add = [&](const char* name, const char* type, const char* help, auto&& get) {
    add_service_family(families, {name, type, help}, rows, &ServiceMetrics::labels, get);
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
  add_family(families,
             {"millrace_service_connection_duration_seconds", kHistogram, "Of ended ones, from first packet to last"},
             rows.size(),
             [&rows](TextFormat& text, size_t row) { add_lifetimes(text, rows[row].labels, rows[row].lifetimes); });
  add_family(families,
             {"millrace_service_ejection_panics_total", kCounter,
              "Times that too many backends were out of use to eject another"},
             rows.size(), [&rows](TextFormat& text, size_t row) {
               if (rows[row].panics) text.sample(rows[row].labels, *rows[row].panics);
             });
}

void list_backends(Families& families, const BackendMetrics& rows) {
  const auto add = [&](const char* name, const char* type, const char* help, Column BackendMetrics::*column) {
    add_backend_family(families, {name, type, help}, rows.labels, rows.*column);
  };
  using Rows = BackendMetrics;
  add("millrace_backend_up", kGauge, "1: its checks pass", &Rows::up);
  add("millrace_backend_enabled", kGauge, "1: the operator has neither drained nor disabled it", &Rows::enabled);
  add("millrace_backend_weight", kGauge, "Its weight now", &Rows::weight);
  add("millrace_backend_connections", kGauge, "Entries of the connection table", &Rows::active);
  add("millrace_backend_connections_total", kCounter, "Connections and UDP sessions opened to it", &Rows::connections);
  add("millrace_backend_forward_packets_total", kCounter, "Packets from clients", &Rows::forward_packets);
  add("millrace_backend_reverse_packets_total", kCounter, "Packets to clients", &Rows::reverse_packets);
  add("millrace_backend_forward_bytes_total", kCounter, "Bytes of IP packets from clients", &Rows::forward_bytes);
  add("millrace_backend_reverse_bytes_total", kCounter, "Bytes of IP packets to clients", &Rows::reverse_bytes);
  add("millrace_backend_connect_failures_total", kCounter, "Handshakes that it refused or left unanswered",
      &Rows::connect_failures);
  add("millrace_backend_resets_total", kCounter, "Resets by it after the handshake", &Rows::resets);
  add_family(families, {"millrace_backend_connect_latency_seconds", kHistogram, "From the first SYN to the SYN-ACK"},
             rows.labels.row_count(), [&rows](TextFormat& text, size_t row) {
               if (rows.latency[row]) add_latency(text, rows.labels[row], *rows.latency[row]);
             });
  add("millrace_backend_ejected", kGauge, "1: it gets nothing because its connections failed", &Rows::ejected);
  add("millrace_backend_on_trial", kGauge, "1: after an ejection it gets a part of its share", &Rows::on_trial);
  add("millrace_backend_ejections_total", kCounter, "Times that it was ejected", &Rows::ejections);
}

// gobetween's, all of them gauges as there. Its rx is what comes from clients.
void list_gobetween_servers(Families& families, const std::vector<ServiceMetrics>& rows) {
  const auto add = [&](const char* name, const char* help, auto&& get) {
    add_service_family(families, {name, kGauge, help}, rows, &ServiceMetrics::gobetween, get);
  };
  add("gobetween_server_count", "As gobetween: backends of the server",
      [](const ServiceMetrics& row) { return uint64_t{row.desired->backends.size()}; });
  add("gobetween_server_active_connections", "As gobetween", [](const ServiceMetrics& row) { return row.live.active; });
  add("gobetween_server_rx_total", "As gobetween: bytes from clients",
      [](const ServiceMetrics& row) { return row.forward_bytes; });
  add("gobetween_server_tx_total", "As gobetween: bytes to clients",
      [](const ServiceMetrics& row) { return row.reverse_bytes; });
  add("gobetween_server_rx_second", "As gobetween: bytes a second from clients",
      [](const ServiceMetrics& row) { return row.bandwidth.forward_bytes; });
  add("gobetween_server_tx_second", "As gobetween: bytes a second to clients",
      [](const ServiceMetrics& row) { return row.bandwidth.reverse_bytes; });
}

void list_gobetween_backends(Families& families, const BackendMetrics& rows) {
  const auto add = [&](const char* name, const char* help, Column BackendMetrics::*column) {
    add_backend_family(families, {name, kGauge, help}, rows.gobetween, rows.*column);
  };
  using Rows = BackendMetrics;
  add("gobetween_backend_active_connections", "As gobetween", &Rows::active);
  add("gobetween_backend_refused_connections", "As gobetween: attempts that failed", &Rows::connect_failures);
  add("gobetween_backend_total_connections", "As gobetween", &Rows::connections);
  add("gobetween_backend_rx_bytes", "As gobetween: from clients", &Rows::forward_bytes);
  add("gobetween_backend_tx_bytes", "As gobetween: to clients", &Rows::reverse_bytes);
  add("gobetween_backend_rx_second", "As gobetween", &Rows::forward_bytes_a_second);
  add("gobetween_backend_tx_second", "As gobetween", &Rows::reverse_bytes_a_second);
  add("gobetween_backend_live", "As gobetween: 1: its checks pass", &Rows::up);
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

MetricsPage::MetricsPage(const Daemon& daemon) : reading_(read_metrics(daemon)) {
  add_control(text_, daemon);
  if (const std::shared_ptr<const Segment> segment = daemon.link().segment()) add_dataplane(text_, daemon, *segment);
  add_snat(text_, daemon.snat().uses());
  list_services(families_, reading_.services);
  list_backends(families_, reading_.backends);
  list_gobetween_servers(families_, reading_.services);
  list_gobetween_backends(families_, reading_.backends);
}

std::string MetricsPage::next_piece(size_t bytes) {
  text_.reserve(bytes + kRowBytes);
  for (; family_ < families_.size(); ++family_, step_ = 0) {
    const MetricFamily& family = families_[family_];
    for (; step_ <= family.row_count; ++step_) {
      if (text_.size() >= bytes) return text_.take();
      if (step_ == 0)
        text_.family(family.name, family.type, family.help);
      else
        family.add_row(text_, step_ - 1);
    }
  }
  return text_.take();
}

}  // namespace millrace::control
