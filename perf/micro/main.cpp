// main.cpp: the micro-benchmarks: parts of the packet path, and the whole path on real packets in memory.
// Needs root and free hugepages: 300 of 2 MB; without enough for the largest tables those benchmarks are left out and
// named. Options are Google Benchmark's (--benchmark_out=FILE, …), and
//   --filter=REGEX  those in whose name it is found
//   --quick         fewer benchmarks, repetitions and flows: within 90 seconds
//   --smoke         everything once and hardly anything measured, without hugepages: do the benchmarks work?
// Fails:  exit 1 when a packet came out wrong: a benchmark of a wrong result is none.

#include <benchmark/benchmark.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/stages/handover.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/measure.h"
#include "perf/micro/memory_port.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

constexpr unsigned kPacketCount = 8191;  // a queue
constexpr unsigned kPacketCache = 256;
constexpr unsigned kQueueCount = 2;
constexpr std::string_view kFilter = "--filter=";

Effort chosen_effort = Effort::full;
cpu_set_t allowed;
std::vector<rte_mempool*> pools;
std::optional<MemoryPort> port;

// The last two CPUs that we may use, the very last for the main thread: the first ones have the interrupts.
std::vector<std::string> cpu_arguments() {
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<std::string> cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(std::to_string(cpu));
  const std::string last = cpus.back();
  return {"-l", cpus.size() < 2 ? last : cpus[cpus.size() - 2] + "," + last, "--main-lcore", last};
}

void start_dpdk() {
  std::vector<std::string> arguments = {"micro_bench",       "--no-pci",       "--no-telemetry",
                                        "--log-level=error", "--iova-mode=va", "--vdev=net_null0"};
  for (const std::string& argument : cpu_arguments()) arguments.push_back(argument);
  if (effort() == Effort::smoke)
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf", "-m", "256"});
  else
    arguments.push_back("--in-memory");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
    throw std::runtime_error(std::string("DPDK does not start: ") + rte_strerror(rte_errno) +
                             "; run as root, with hugepages: sysctl -w vm.nr_hugepages=512");
  for (unsigned i = 0; i < kQueueCount; ++i) {
    const std::string name = "micro_bench_" + std::to_string(i);
    pools.push_back(rte_pktmbuf_pool_create(name.c_str(), kPacketCount, kPacketCache, kMbufPrivateBytes,
                                            RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY));
    if (pools.back() == nullptr)
      throw std::runtime_error("no hugepages free for packet buffers; reserve some: sysctl -w vm.nr_hugepages=512");
  }
  port.emplace("net_null0", pools);
}

// Ours in front, so that the caller's win.
std::vector<std::string> benchmark_arguments(int argc, char** argv) {
  std::vector<std::string> given;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0)
      chosen_effort = Effort::quick;
    else if (std::strcmp(argv[i], "--smoke") == 0)
      chosen_effort = Effort::smoke;
    else if (std::strncmp(argv[i], kFilter.data(), kFilter.size()) == 0)
      set_filter(argv[i] + kFilter.size());
    else
      given.emplace_back(argv[i]);
  }
  // Of parts; paths have their own.
  const char* const min_time[] = {"0", "0.003", "0.1"};
  std::vector<std::string> all = {argv[0], "--benchmark_repetitions=" + std::to_string(repetitions()),
                                  std::string("--benchmark_min_time=") + min_time[static_cast<unsigned>(effort())]};
  all.insert(all.end(), given.begin(), given.end());
  return all;
}

void register_all() {
  register_established_benches();
  register_direct_benches();
  register_two_worker_benches();
  register_new_benches();
  register_life_benches();
  register_handover_benches();
  register_expiry_benches();
  register_fragmented_benches();
  register_swap_benches();
  register_syn_flood_benches();
  register_cookie_benches();
  register_access_benches();
  register_stage_benches();
  register_conn_table_benches();
  register_index_benches();
  register_checksum_benches();
  register_parse_benches();
  register_timer_wheel_benches();
  register_pick_benches();
  register_ring_benches();
}

int run(int argc, char** argv) {
  std::vector<std::string> arguments = benchmark_arguments(argc, argv);
  std::vector<char*> pointers;
  bool writes_file = false;
  for (std::string& argument : arguments) {
    pointers.push_back(argument.data());
    writes_file = writes_file || argument.starts_with("--benchmark_out=");
  }
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;
  start_dpdk();
  register_all();
  if (registered() == 0) throw std::runtime_error("no benchmark has a name that the filter finds");
  ResultTable table;
  ResultJson json;
  benchmark::RunSpecifiedBenchmarks(&table, writes_file ? &json : nullptr);
  take_down_bed();
  port.reset();
  rte_eal_cleanup();
  return table.failed() ? 1 : 0;
}

}  // namespace

Effort effort() { return chosen_effort; }
rte_mempool* packet_pool() { return pools[0]; }
MemoryPort& memory_port() { return *port; }
const cpu_set_t& allowed_cpus() { return allowed; }

}  // namespace millrace::perf

int main(int argc, char** argv) {
  try {
    return millrace::perf::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "micro_bench: %s\n", error.what());
    return 1;
  }
}
