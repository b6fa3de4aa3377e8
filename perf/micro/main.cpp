// main.cpp: the micro-benchmarks: parts of the packet path, and the whole path on real packets in memory.
// Needs root and free hugepages (about 300 MiB). Options are Google Benchmark's (--benchmark_filter=REGEX,
// --benchmark_out=FILE, …), and --quick for fewer and shorter repetitions.
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
#include <vector>

#include "dataplane/stages/handover.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/memory_port.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

constexpr unsigned kPacketCount = 16'383;
constexpr unsigned kPacketCache = 256;

rte_mempool* pool = nullptr;
std::optional<MemoryPort> port;

// The last CPU that we may use: the first ones have the interrupts.
unsigned last_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned last = 0;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) last = cpu;
  return last;
}

void start_dpdk() {
  std::vector<std::string> arguments = {
      "micro_bench",    "--in-memory",      "--no-pci", "--no-telemetry",          "--log-level=error",
      "--iova-mode=va", "--vdev=net_null0", "-l",       std::to_string(last_cpu())};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
    throw std::runtime_error(std::string("DPDK does not start: ") + rte_strerror(rte_errno) +
                             "; run as root, with hugepages: sysctl -w vm.nr_hugepages=512");
  pool = rte_pktmbuf_pool_create("micro_bench", kPacketCount, kPacketCache, kMbufPrivateBytes,
                                 RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr)
    throw std::runtime_error("no hugepages free for packet buffers; reserve some: sysctl -w vm.nr_hugepages=512");
  port.emplace("net_null0", pool);
}

// Ours in front, so that the caller's win.
std::vector<std::string> benchmark_arguments(int argc, char** argv) {
  bool quick = false;
  std::vector<std::string> given;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0)
      quick = true;
    else
      given.emplace_back(argv[i]);
  }
  std::vector<std::string> all = {argv[0], quick ? "--benchmark_repetitions=5" : "--benchmark_repetitions=9",
                                  quick ? "--benchmark_min_time=0.01" : "--benchmark_min_time=0.1"};
  all.insert(all.end(), given.begin(), given.end());
  return all;
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
  register_established_benches();
  register_stage_benches();
  register_conn_table_benches();
  register_checksum_benches();
  register_parse_benches();
  register_timer_wheel_benches();
  register_pick_benches();
  register_ring_benches();
  ResultTable table;
  ResultJson json;
  benchmark::RunSpecifiedBenchmarks(&table, writes_file ? &json : nullptr);
  take_down_bed();
  port.reset();
  rte_eal_cleanup();
  return table.failed() ? 1 : 0;
}

}  // namespace

rte_mempool* packet_pool() { return pool; }
MemoryPort& memory_port() { return *port; }

}  // namespace millrace::perf

int main(int argc, char** argv) {
  try {
    return millrace::perf::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "micro_bench: %s\n", error.what());
    return 1;
  }
}
