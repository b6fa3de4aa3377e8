#include <algorithm>

#include "controlplane/api/views.h"
#include "controlplane/link/directory.h"

namespace millrace::control {
namespace {

// Null where nothing was counted.
Json share_of(double part, double whole) {
  if (whole <= 0) return nullptr;
  return std::min(1.0, part / whole);
}

Json port_row(const PortRow& port, size_t index, const std::vector<WorkerLive>& workers,
              const std::vector<WorkerRate>& rates) {
  PortLive total;
  for (const WorkerLive& worker : workers) {
    total.rx_packets += worker.ports[index].rx_packets;
    total.handed_over += worker.ports[index].handed_over;
  }
  Json row = {
      {"port", port.name},
      {"device", port.device},
      {"vlan", port.vlan},
      {"steering", kSteeringKindNames[static_cast<size_t>(port.steering)]},
      {"reason", kSteeringReasonNames[static_cast<size_t>(port.steering_reason)]},
      {"sentence", kSteeringReasonSentences[static_cast<size_t>(port.steering_reason)]},
      {"queues", port.queue_count},
      {"workers_with_queue", port.worker_count},
      {"rss_key_bytes", port.rss_key_bytes},
      {"reta_size", port.reta_size},
      {"rx_packets", total.rx_packets},
      {"handed_over", total.handed_over},
      {"handed_over_share", share_of(static_cast<double>(total.handed_over), static_cast<double>(total.rx_packets))}};
  if (rates.empty()) return row;
  PortRate rate;
  for (const WorkerRate& worker : rates) {
    rate.rx_packets += worker.ports[index].rx_packets;
    rate.handed_over += worker.ports[index].handed_over;
  }
  row["now"] = {{"rx_packets_per_s", rate.rx_packets},
                {"handed_over_per_s", rate.handed_over},
                {"handed_over_share", share_of(rate.handed_over, rate.rx_packets)}};
  return row;
}

// Packets that a worker decides about: what came to it, whoever received it.
double own_load(const WorkerRate& rate) { return std::max(0.0, rate.rx_packets - rate.handed_out + rate.handed_in); }

void add_workers(Json& view, const Segment& segment, const std::vector<WorkerRate>& rates) {
  double sum = 0;
  double most = 0;
  Json rows = Json::array();
  for (size_t worker = 0; worker < rates.size(); ++worker) {
    const WorkerRate& rate = rates[worker];
    const double load = own_load(rate);
    sum += load;
    most = std::max(most, load);
    rows.push_back({{"worker", worker},
                    {"cpu", segment.workers()[worker].cpu},
                    {"busy_ratio", rate.busy_ratio},
                    {"rx_packets_per_s", rate.rx_packets},
                    {"handed_in_per_s", rate.handed_in},
                    {"handed_out_per_s", rate.handed_out},
                    {"load_packets_per_s", load}});
  }
  view["workers"] = std::move(rows);
  view["skew"] = sum > 0 ? Json(most * static_cast<double>(rates.size()) / sum) : Json(nullptr);
}

}  // namespace

Json steering_view(const Daemon& daemon) {
  Json view;
  const std::shared_ptr<const Segment> segment = daemon.link().segment();
  view["connected"] = segment != nullptr;
  if (!segment) return view;
  const std::vector<WorkerLive> workers = read_workers(*segment);
  std::vector<WorkerRate> rates = daemon.rates().rates();
  if (rates.size() != workers.size()) rates.clear();
  const std::vector<PortRow> ports = read_ports(*segment);
  Json rows = Json::array();
  for (size_t index = 0; index < std::min<size_t>(ports.size(), kPortMax); ++index)
    rows.push_back(port_row(ports[index], index, workers, rates));
  view["ports"] = std::move(rows);
  add_workers(view, *segment, rates);
  return view;
}

}  // namespace millrace::control
