#include <unistd.h>

#include "controlplane/api/plan_view.h"
#include "controlplane/api/views.h"
#include "controlplane/link/live_counters.h"
#include "controlplane/link/monotonic.h"
#include "controlplane/link/transaction.h"

namespace millrace::control {
namespace {

const char* sync_name(SyncState sync) {
  switch (sync) {
    case SyncState::waiting:
      return "waiting";
    case SyncState::sending:
      return "sending";
    case SyncState::applied:
      return "applied";
    case SyncState::rejected:
      return "rejected";
  }
  return "unknown";
}

Json dataplane_view(const LinkStatus& link, const std::shared_ptr<const Segment>& segment) {
  Json view;
  view["connected"] = link.connected;
  view["state"] = !link.connected ? "absent" : link.stalled ? "stalled" : "running";
  if (!link.problem.empty()) view["problem"] = link.problem;
  if (!segment) return view;
  const uint64_t now_ms = monotonic_ms();
  const uint64_t start_ms = segment->dataplane_start_ms();
  view["pid"] = segment->dataplane_pid();
  view["uptime_s"] = now_ms > start_ms ? (now_ms - start_ms) / 1000 : 0;
  view["heartbeat_age_ms"] = link.heartbeat_age_ms;
  view["workers"] = segment->worker_count();
  view["events_dropped"] = segment->events_dropped();
  view["commands_rejected"] = segment->commands_rejected();
  return view;
}

Json config_view(const LinkStatus& link) {
  Json view;
  view["state"] = sync_name(link.sync);
  if (link.generation_sent != 0) view["generation_configured"] = link.generation_sent;
  if (link.connected) view["generation_applied"] = link.generation_applied;
  if (link.rejection) {
    view["rejection"] = {{"generation", link.rejection->generation},
                         {"reason", link.rejection->reason},
                         {"item", link.rejection->item},
                         {"sentence", link.rejection->sentence}};
  }
  return view;
}

uint64_t dropped_by(const std::vector<WorkerLive>& workers, const Segment& segment, uint32_t reason) {
  uint64_t packets = reason == static_cast<uint32_t>(DropReason::blocked) ? segment.blocked_in_xdp() : 0;
  for (const WorkerLive& worker : workers) packets += worker.dropped[reason];
  return packets;
}

size_t blocked_prefix_count(const DesiredState& state) { return state.blocklist ? state.blocklist->size() : 0; }

// Of services whose backends are not static.
Json discovery_summary(const Daemon& daemon) {
  size_t services = 0;
  size_t failing = 0;
  for (const config::ServiceConfig& service : daemon.config().services) {
    const DiscoveryStatus* status = daemon.discovery().find(service.name);
    services += status != nullptr ? 1 : 0;
    failing += status != nullptr && status->fails_in_row != 0 ? 1 : 0;
  }
  return {{"services", services}, {"failing", failing}};
}

Json flow_log_view(const Daemon& daemon) {
  const FlowCounts counts = daemon.flow_log().counts();
  return {{"output", daemon.config().flow_log.output},
          {"written", counts.written},
          {"over_rate", counts.over_rate},
          {"lost", counts.lost},
          {"malformed", counts.malformed}};
}

Json rate_row(const WorkerRate& rate) {
  return {{"rx_packets_per_s", rate.rx_packets},   {"tx_packets_per_s", rate.tx_packets},
          {"rx_bits_per_s", rate.rx_bits},         {"tx_bits_per_s", rate.tx_bits},
          {"connections_per_s", rate.connections}, {"drops_per_s", rate.drops}};
}

void add_live(Json& view, const Daemon& daemon, const Segment& segment) {
  uint64_t used = 0;
  uint64_t drops = segment.blocked_in_xdp();
  const std::vector<WorkerLive> live = read_workers(segment);
  for (const WorkerLive& worker : live) {
    used += worker.connections_open();
    drops += worker.dropped_total();
  }
  view["connections"] = {{"used", used}, {"capacity", segment.connection_count()}};
  view["drops_total"] = drops;
  view["blocklist"]["packets"] = dropped_by(live, segment, static_cast<uint32_t>(DropReason::blocked));
  view["blocklist"]["packets_in_xdp"] = segment.blocked_in_xdp();
  const std::vector<WorkerRate>& rates = daemon.rates().rates();
  if (rates.size() != segment.worker_count()) return;
  WorkerRate sum;
  Json workers = Json::array();
  for (size_t worker = 0; worker < rates.size(); ++worker) {
    Json row = {{"worker", worker}, {"cpu", segment.workers()[worker].cpu}, {"busy_ratio", rates[worker].busy_ratio}};
    row.update(rate_row(rates[worker]));
    workers.push_back(std::move(row));
    sum.rx_packets += rates[worker].rx_packets;
    sum.tx_packets += rates[worker].tx_packets;
    sum.rx_bits += rates[worker].rx_bits;
    sum.tx_bits += rates[worker].tx_bits;
    sum.connections += rates[worker].connections;
    sum.drops += rates[worker].drops;
  }
  view["rates"] = rate_row(sum);
  view["workers"] = std::move(workers);
}

}  // namespace

Json version_view() { return {{"version", MR_VERSION}, {"abi_version", kAbiVersion}}; }

Json reload_view(const ReloadReport& report) {
  Json view;
  view["accepted"] = report.accepted;
  if (report.accepted)
    view["dataplane"] = report.outcome == Outcome::applied   ? "applied"
                        : report.outcome == Outcome::pending ? "sending"
                                                             : "waiting";
  if (!report.errors.empty()) view["errors"] = report.errors;
  if (!report.notices.empty()) view["notices"] = report.notices;
  view["time"] = report.time;
  return view;
}

Json status_view(const Daemon& daemon) {
  const LinkStatus link = daemon.link().status();
  const std::shared_ptr<const Segment> segment = daemon.link().segment();
  size_t services_up = 0;
  size_t backends = 0;
  size_t backends_up = 0;
  for (const DesiredService& service : daemon.desired().services) {
    services_up += service.up() ? 1 : 0;
    backends += service.backends.size();
    for (const DesiredBackend& backend : service.backends) backends_up += backend.eligible() ? 1 : 0;
  }
  Json view;
  view["version"] = MR_VERSION;
  view["control"] = {{"pid", getpid()},
                     {"uptime_s", daemon.uptime_ms() / 1000},
                     {"file", daemon.file()},
                     {"segment", daemon.segment_path()}};
  view["dataplane"] = dataplane_view(link, segment);
  view["config"] = config_view(link);
  if (daemon.last_reload()) view["last_reload"] = reload_view(*daemon.last_reload());
  if (daemon.changes().trial()) view["unconfirmed"] = trial_view(daemon);
  view["services"] = {{"total", daemon.desired().services.size()}, {"up", services_up}};
  view["backends"] = {{"total", backends}, {"up", backends_up}};
  view["discovery"] = discovery_summary(daemon);
  view["blocklist"] = {{"prefixes", blocked_prefix_count(daemon.desired())}};
  if (daemon.flow_log().is_on()) view["flow_log"] = flow_log_view(daemon);
  if (segment) add_live(view, daemon, *segment);
  return view;
}

Json counters_view(const Daemon& daemon) {
  Json view;
  const std::shared_ptr<const Segment> segment = daemon.link().segment();
  view["connected"] = segment != nullptr;
  if (!segment) return view;
  const std::vector<WorkerLive> workers = read_workers(*segment);
  Json drops = Json::array();
  for (uint32_t reason = 0; reason < kDropReasonCount; ++reason)
    drops.push_back({{"reason", kDropReasonNames[reason]},
                     {"packets", dropped_by(workers, *segment, reason)},
                     {"sentence", kDropReasonSentences[reason]}});
  Json rows = Json::array();
  for (size_t index = 0; index < workers.size(); ++index) {
    const WorkerLive& worker = workers[index];
    Json row = {{"worker", index}};
#define X(name, unit, sentence) row[#name] = worker.name;
    MR_WORKER_COUNTERS(X)
#undef X
    row["dropped_total"] = worker.dropped_total();
    Json dropped = Json::object();
    for (uint32_t reason = 0; reason < kDropReasonCount; ++reason)
      if (worker.dropped[reason] != 0) dropped[std::string(kDropReasonNames[reason])] = worker.dropped[reason];
    row["dropped"] = std::move(dropped);
    rows.push_back(std::move(row));
  }
  view["drops"] = std::move(drops);
  view["blocked_in_xdp"] = segment->blocked_in_xdp();
  view["workers"] = std::move(rows);
  return view;
}

}  // namespace millrace::control
