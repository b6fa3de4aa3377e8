// dataplane_table.cpp: [dataplane] but for its ports (port_table.cpp).
#include <sched.h>

#include <algorithm>
#include <set>

#include "controlplane/config/tables.h"
#include "millrace/limits.h"
#include "millrace/segment.h"

namespace millrace::config {

namespace {

constexpr size_t kRetaMax = 128;
constexpr uint32_t kPuntRateMax = 10'000'000;

// Every CPU this process may run on but 0, which is left to everything else; 0 where there is no other.
std::vector<unsigned> auto_workers() {
  cpu_set_t allowed;
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    for (unsigned cpu = 1; cpu < CPU_SETSIZE && cpus.size() < kWorkerMax; ++cpu)
      if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

void read_workers(TableReader& table, DataplaneConfig& dataplane) {
  constexpr char kRemedy[] = "write CPU numbers, such as \"2-5\" or [2, 3], or \"auto\"";
  if (table.is_list("workers")) {
    const std::optional<std::vector<uint64_t>> cpus = table.read_integers("workers", CPU_SETSIZE - 1);
    if (cpus && (cpus->empty() || cpus->size() > kWorkerMax))
      table.errors().add(table.origin_of("workers"), "must name 1 to 64 CPUs", kRemedy);
    else if (cpus)
      dataplane.workers.assign(cpus->begin(), cpus->end());
    return;
  }
  const std::optional<Text> text = table.read_text("workers", kRemedy);
  if (!text && table.has("workers")) return;
  if (!text || text->text == "auto") {
    dataplane.workers = auto_workers();
    return;
  }
  Parsed<std::vector<unsigned>> cpus = parse_cpu_list(text->text);
  if (cpus.value)
    dataplane.workers = std::move(*cpus.value);
  else
    table.errors().add(text->origin, std::move(cpus.problem), std::move(cpus.remedy));
}

// Workers may take turns on a CPU, but not while one of them never lets go of it.
void check_shared_cpus(TableReader& table, const DataplaneConfig& dataplane) {
  const std::set unique(dataplane.workers.begin(), dataplane.workers.end());
  if (dataplane.idle_adaptive || unique.size() == dataplane.workers.size()) return;
  table.errors().add(table.origin_of("workers"),
                     "must name each CPU once: a busy worker leaves nothing of it to another",
                     "name others, or write idle = \"adaptive\"");
}

void read_reta(TableReader& table, DataplaneConfig& dataplane) {
  const std::optional<std::vector<uint64_t>> reta = table.read_integers("reta", kWorkerMax - 1);
  if (!reta) return;
  if (reta->empty() || reta->size() > kRetaMax) {
    table.errors().add(table.origin_of("reta"), "has " + std::to_string(reta->size()) + " entries",
                       "write 1 to 128 indexes of workers, or remove it");
    return;
  }
  for (const uint64_t worker : *reta) {
    // Without workers their own error is enough.
    if (!dataplane.workers.empty() && worker >= dataplane.workers.size()) {
      table.errors().add(table.origin_of("reta"),
                         "names worker " + std::to_string(worker) + " of " + std::to_string(dataplane.workers.size()),
                         "count workers from 0 in the order of the key workers");
      return;
    }
    dataplane.reta.push_back(static_cast<uint8_t>(worker));
  }
}

}  // namespace

void read_worker_settings(TableReader& table, Config& config) {
  static constexpr Choice<bool> kIdle[] = {{"busy", false}, {"adaptive", true}};
  if (const std::optional<bool> adaptive = table.read_choice("idle", kIdle)) {
    config.dataplane.idle_adaptive = *adaptive;
    config.settings.idle = *adaptive ? IdlePolicy::adaptive : IdlePolicy::busy;
  }
  config.settings.burst_packets = static_cast<uint8_t>(table.read_integer("burst", 1, kBurstMax).value_or(0));
}

void read_dataplane_table(TableReader& table, Config& config) {
  DataplaneConfig& dataplane = config.dataplane;
  read_workers(table, dataplane);
  read_reta(table, dataplane);
  read_worker_settings(table, config);
  check_shared_cpus(table, dataplane);
  dataplane.connections = static_cast<uint32_t>(
      table.read_integer("connections", kConnectionMin, kConnectionMax).value_or(dataplane.connections));
  dataplane.proxy = table.read_bool("proxy").value_or(dataplane.proxy);
  dataplane.punt_rate =
      static_cast<uint32_t>(table.read_integer("punt_rate", 0, kPuntRateMax).value_or(dataplane.punt_rate));
  dataplane.segment = table.read_path("segment").value_or(kDefaultSegmentPath);
  std::vector<TableReader> ports = table.read_tables("port");
  if (!table.has("port") || (ports.empty() && table.is_list("port")))
    table.report_missing("port", "write [[dataplane.port]] with name = \"front\" and device = \"af_xdp:eth1\"");
  if (ports.size() > kPortMax)
    table.errors().add(ports[kPortMax].origin(), "is one port too many", "define at most " + std::to_string(kPortMax));
  for (TableReader& port : ports) read_port_table(port, dataplane);
  name_kernel_interfaces(dataplane.ports, ports);
  table.finish();
}

}  // namespace millrace::config
