// main.cpp: millrace-dataplane. The start order is a table; every step that fails ends the program with one sentence
// that names the cause and what mends it.
// Thread: main; becomes DPDK's main lcore.
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "dataplane/eal_start.h"
#include "dataplane/host_checks.h"
#include "dataplane/link/publisher.h"
#include "dataplane/link/segment_host.h"
#include "dataplane/main_loop.h"
#include "dataplane/ports/kernel_monitor.h"
#include "dataplane/ports/port_open.h"
#include "dataplane/ports/steering.h"
#include "dataplane/ports/unmap_grace.h"
#include "dataplane/process_state.h"
#include "dataplane/worker.h"

namespace millrace {
namespace {

// Set by a signal; read by the main loop.
std::atomic<bool> stop_wanted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

constexpr uint16_t kMbufPrivateAreaBytes = 16;
constexpr unsigned kMbufCache = 256;

struct Arguments {
  std::string config_path;
  bool verbose = false;
};

// Everything that lives while the program runs, in the order in which it is made; it goes in the opposite order.
struct Dataplane {
  Arguments arguments;
  config::Config config;
  std::optional<SegmentLock> lock;
  std::optional<Eal> eal;
  ProcessState state;
  std::optional<SegmentHost> segment;
  std::optional<KernelMonitor> monitor;
  std::optional<Steering> steering;
  std::optional<Publisher> publisher;
  std::vector<std::unique_ptr<Worker, void (*)(Worker*)>> workers;

  ~Dataplane();
};

// Workers, tables, ports, DPDK. The segment file stays for the control plane and the next dataplane.
Dataplane::~Dataplane() {
  state.stop.store(true, std::memory_order_relaxed);
  if (eal) rte_eal_mp_wait_lcore();
  end_unmap_grace();
  workers.clear();
  publisher.reset();
  steering.reset();
  monitor.reset();
  if (!state.ports.empty()) close_ports(state.ports);
  state.neighbours.reset();
  segment.reset();
  eal.reset();
}

void load_configuration(Dataplane& dataplane) {
  config::LoadResult loaded = config::load_config(dataplane.arguments.config_path);
  if (!loaded.config) {
    std::string text = "the configuration has " + std::to_string(loaded.errors.size()) + " error(s):";
    for (const config::ConfigError& error : loaded.errors) text += "\n" + config::format_error(error);
    throw std::runtime_error(text);
  }
  dataplane.config = std::move(*loaded.config);
}

void check_host(Dataplane& dataplane) {
  check_privileges();
  dataplane.lock.emplace(dataplane.config.dataplane.segment);
  check_cpus(dataplane.config.dataplane.workers);
  check_hugepages(hugepage_bytes_needed(dataplane.config.dataplane));
}

void start_dpdk(Dataplane& dataplane) {
  dataplane.eal.emplace(dataplane.config.dataplane, dataplane.arguments.verbose);
  dataplane.state.tsc_hz = rte_get_tsc_hz();
  dataplane.state.cookie_secret = random_cookie_secret();
}

void make_packet_buffers(Dataplane& dataplane) {
  const uint32_t count = packet_buffer_count(dataplane.config.dataplane);
  dataplane.state.mbuf_pool = rte_pktmbuf_pool_create("millrace", count, kMbufCache, kMbufPrivateAreaBytes,
                                                      RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (dataplane.state.mbuf_pool == nullptr)
    throw std::runtime_error(
        "no memory for " + std::to_string(count) + " packet buffers (" + rte_strerror(rte_errno) +
        "); reserve more huge pages with 'sysctl -w vm.nr_hugepages=N', or configure fewer queues");
}

void make_rings(Dataplane& dataplane) {
  ProcessState& state = dataplane.state;
  const auto made = [](rte_ring* ring) {
    if (ring == nullptr)
      throw std::runtime_error(std::string("no memory for the workers' rings (") + rte_strerror(rte_errno) +
                               "); reserve more huge pages with 'sysctl -w vm.nr_hugepages=N'");
    return ring;
  };
  constexpr unsigned kFlags = RING_F_SP_ENQ | RING_F_SC_DEQ;
  const unsigned count = static_cast<unsigned>(dataplane.config.dataplane.workers.size());
  state.handover.assign(size_t{count} * count, nullptr);
  for (unsigned from = 0; from < count; ++from) {
    const std::string name = "notes_" + std::to_string(from);
    state.notes.push_back(
        made(rte_ring_create_elem(name.c_str(), sizeof(WorkerNote), kNoteRingSlots, SOCKET_ID_ANY, kFlags)));
    for (unsigned to = 0; to < count; ++to) {
      if (from == to) continue;
      const std::string pair = "handover_" + std::to_string(from) + "_" + std::to_string(to);
      state.handover[from * count + to] =
          made(rte_ring_create(pair.c_str(), kHandoverRingSlots, SOCKET_ID_ANY, kFlags));
    }
  }
  state.qsbr = static_cast<rte_rcu_qsbr*>(rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(count), RTE_CACHE_LINE_SIZE));
  if (state.qsbr == nullptr || rte_rcu_qsbr_init(state.qsbr, count) != 0)
    throw std::runtime_error("no memory for the workers' quiescent states; reserve more huge pages");
}

void open_configured_ports(Dataplane& dataplane) {
  const config::DataplaneConfig& config = dataplane.config.dataplane;
  const unsigned worker_count = static_cast<unsigned>(config.workers.size());
  ProcessState& state = dataplane.state;
  state.owner = std::make_unique<Owner>(worker_count, config.reta);
  state.punt_rate = config.punt_rate;
  state.idle = config.idle_adaptive ? IdlePolicy::adaptive : IdlePolicy::busy;
  state.ports = open_ports(config.ports, *state.owner, state.mbuf_pool);
}

uint16_t workers_with_queue(const Port& port) {
  const std::set unique(port.queue_owner.begin(), port.queue_owner.begin() + port.queue_count);
  return static_cast<uint16_t>(unique.size());
}

void make_segment(Dataplane& dataplane) {
  ProcessState& state = dataplane.state;
  const uint32_t worker_count = state.worker_count();
  SegmentHost& segment = dataplane.segment.emplace(
      *dataplane.lock, SegmentShape{.worker_count = worker_count,
                                    .port_count = static_cast<uint32_t>(state.ports.size()),
                                    .connection_count = dataplane.config.dataplane.connections,
                                    .tsc_hz = state.tsc_hz,
                                    .has_splices = dataplane.config.dataplane.proxy});
  state.slab = segment.slab();
  state.splices = segment.splices();
  state.worker_info = segment.workers();
  state.worker_counters = segment.worker_counters();
  for (uint32_t i = 0; i < worker_count; ++i) {
    state.service_counters.push_back(&segment.service_counters()[size_t{i} * kServiceMax]);
    state.backend_counters_own.push_back(&segment.backend_counters()[size_t{i} * kBackendMax]);
    state.backend_counters.push_back(state.backend_counters_own.back());
    state.backend_handshakes.push_back(&segment.backend_handshakes()[size_t{i} * kBackendMax]);
    state.service_lifetimes.push_back(&segment.service_lifetimes()[size_t{i} * kServiceMax]);
    state.flow_rings.push_back(segment.make_flow_ring(i));
    segment.workers()[i].cpu = dataplane.config.dataplane.workers[i];
  }
  for (const Port& port : state.ports) {
    PortInfo& info = segment.ports()[static_cast<size_t>(port.index)];
    port.name.copy(info.name, sizeof info.name - 1);
    port.device.copy(info.device, sizeof info.device - 1);
    info.mac = port.mac;
    info.mtu_bytes = port.mtu_bytes;
    info.kernel_ifindex = port.kernel_ifindex;
    info.queue_count = port.queue_count;
    info.steering = port.steering.kind;
    info.steering_reason = port.steering.reason;
    info.reta_size = port.steering.reta_size;
    info.rss_key_bytes = port.steering.rss_key_bytes;
    info.worker_count = workers_with_queue(port);
    info.vlan = port.vlan;
  }
}

void follow_kernel(Dataplane& dataplane) {
  ProcessState& state = dataplane.state;
  state.neighbours = std::make_unique<NeighbourTable>();
  dataplane.monitor.emplace(state.ports, dataplane.config.dataplane.ports, *state.neighbours);
}

void publish_empty(Dataplane& dataplane) {
  SegmentHost& segment = *dataplane.segment;
  Steering& steering = dataplane.steering.emplace(dataplane.state.ports);
  Publisher& publisher = dataplane.publisher.emplace(
      dataplane.state, steering, Directory(segment.service_directory(), segment.backend_directory()));
  steering.set_host_addresses(dataplane.monitor->host_addresses());
  if (!publisher.set_addresses(dataplane.monitor->addresses())) throw std::runtime_error(publisher.last_error());
  publisher.set_routes(dataplane.monitor->routes());
}

void launch_workers(Dataplane& dataplane) {
  ProcessState& state = dataplane.state;
  for (unsigned i = 0; i < state.worker_count(); ++i)
    dataplane.workers.push_back(make_worker(state, static_cast<WorkerIndex>(i)));
  const auto run = [](void* worker) {
    worker_run(*static_cast<Worker*>(worker));
    return 0;
  };
  for (unsigned i = 0; i < state.worker_count(); ++i)
    if (rte_eal_remote_launch(run, dataplane.workers[i].get(), i + 1) != 0)
      throw std::runtime_error("lcore " + std::to_string(i + 1) + " does not take its worker; please report this bug");
  begin_unmap_grace(state.qsbr);
}

struct Step {
  const char* name;
  void (*run)(Dataplane&);
};
constexpr Step kSteps[] = {
    {"load the configuration", load_configuration},
    {"check the host", check_host},
    {"start DPDK", start_dpdk},
    {"make packet buffers", make_packet_buffers},
    {"make rings", make_rings},
    {"open ports", open_configured_ports},
    {"make the shared segment", make_segment},
    {"follow the kernel's addresses, routes and neighbours", follow_kernel},
    {"publish empty tables", publish_empty},
    {"launch workers", launch_workers},
};

void log_summary(const Dataplane& dataplane) {
  const config::DataplaneConfig& config = dataplane.config.dataplane;
  for (const Port& port : dataplane.state.ports)
    spdlog::info("port {}: {}, {} queue(s), MTU {}, steering {} ({})", port.name, port.device, port.queue_count,
                 port.mtu_bytes, kSteeringKindNames[static_cast<size_t>(port.steering.kind)],
                 kSteeringReasonSentences[static_cast<size_t>(port.steering.reason)]);
  spdlog::info("ready: {} worker(s) on CPU {}, {} connections, segment {}", config.workers.size(),
               format_cpus(config.workers), config.connections, config.segment);
}

int run(const Arguments& arguments) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("millrace-dataplane"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(arguments.verbose ? spdlog::level::debug : spdlog::level::info);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    std::signal(signal, [](int) { stop_wanted.store(true, std::memory_order_relaxed); });
  std::signal(SIGPIPE, SIG_IGN);

  Dataplane dataplane;
  dataplane.arguments = arguments;
  for (const Step& step : kSteps) {
    spdlog::debug("{}", step.name);
    step.run(dataplane);
    if (stop_wanted.load(std::memory_order_relaxed)) return 0;
  }
  log_summary(dataplane);
  MainLoop(dataplane.state, *dataplane.segment, *dataplane.monitor, *dataplane.steering, *dataplane.publisher)
      .run(stop_wanted);
  spdlog::info("stopping");
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  CLI::App app("Millrace dataplane: forwards the packets of the services that millraced configures.",
               "millrace-dataplane");
  millrace::Arguments arguments;
  app.add_option("--config,-c", arguments.config_path, "configuration file; its [dataplane] table is used")
      ->required()
      ->type_name("FILE");
  app.add_flag("--verbose,-v", arguments.verbose, "log every step, and what DPDK says");
  app.set_version_flag("--version", std::string("millrace-dataplane ") + MR_VERSION);
  app.footer(
      "Examples:\n"
      "  millrace-dataplane --config /etc/millrace/millrace.toml\n"
      "  millrace-dataplane --config lab.toml --verbose\n"
      "Stops on SIGINT or SIGTERM. Exit status: 0 stopped, 1 cannot start, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return millrace::run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "millrace-dataplane: %s\n", error.what());
    return 1;
  }
}
