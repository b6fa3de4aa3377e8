// host_checks.cpp: privileges, CPUs, huge pages.
#include "dataplane/host_checks.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "dataplane/ports/neighbours.h"
#include "dataplane/process_state.h"

namespace millrace {
namespace {

constexpr uint64_t kPageBytes = 2u << 20;
// An mbuf with its header, private area and data room as the pool lays it out.
constexpr uint64_t kPacketBufferBytes = 2432;
// Receive, transmit and, on AF_XDP, fill and completion rings of one queue, each kept full.
constexpr uint32_t kBuffersPerQueue = 8192;
// Mempool caches, held packets, fragments that wait and bursts of one worker.
constexpr uint32_t kBuffersPerWorker = 2560;
// Connection index (conn_table.h): keys of both directions in both families, rounded up to powers of two.
constexpr uint64_t kIndexBytesPerConnection = 320;
constexpr uint64_t kNeighbourBytes = 96;
// DPDK's own: ports, rings, and what its allocator rounds up.
constexpr uint64_t kFixedBytes = 48u << 20;

uint64_t read_number(const std::string& path) {
  uint64_t number = 0;
  std::ifstream(path) >> number;
  return number;
}

}  // namespace

uint32_t packet_buffer_count(const config::DataplaneConfig& dataplane) {
  const uint32_t workers = static_cast<uint32_t>(dataplane.workers.size());
  uint32_t count = workers * kBuffersPerWorker + workers * (workers - 1) * kHandoverRingSlots;
  const auto& ports = dataplane.ports;
  for (auto port = ports.begin(); port != ports.end(); ++port)
    if (std::none_of(ports.begin(), port, [&](const auto& other) { return port->shares_device(other); }))
      count += port->queues * kBuffersPerQueue;
  return count;
}

uint64_t hugepage_bytes_needed(const config::DataplaneConfig& dataplane) {
  return kFixedBytes + packet_buffer_count(dataplane) * kPacketBufferBytes +
         dataplane.connections * kIndexBytesPerConnection + kNeighbourMax * kNeighbourBytes;
}

void check_privileges() {
  if (geteuid() != 0) throw std::runtime_error("needs root for huge pages, network devices and XDP; run it with sudo");
}

std::vector<unsigned> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

std::string format_cpus(const std::vector<unsigned>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[i]);
    if (last > i) text += '-' + std::to_string(cpus[last]);
    i = last + 1;
  }
  return text;
}

void check_cpus(const std::vector<unsigned>& workers) {
  const std::vector<unsigned> allowed = allowed_cpus();
  for (const unsigned cpu : workers)
    if (std::find(allowed.begin(), allowed.end(), cpu) == allowed.end())
      throw std::runtime_error("CPU " + std::to_string(cpu) +
                               " of [dataplane] workers does not exist or is closed to " +
                               "this process; choose from " + format_cpus(allowed));
}

void check_hugepages(uint64_t bytes_needed, const std::string& sysfs) {
  const std::string pool = sysfs + "/hugepages-2048kB/";
  const std::string big_pool = sysfs + "/hugepages-1048576kB/";
  const uint64_t reserved = read_number(pool + "resv_hugepages");
  const uint64_t free = read_number(pool + "free_hugepages") - std::min(reserved, read_number(pool + "free_hugepages"));
  const uint64_t free_bytes = free * kPageBytes + (read_number(big_pool + "free_hugepages") << 30);
  if (free_bytes >= bytes_needed) return;
  const uint64_t missing = (bytes_needed - free_bytes + kPageBytes - 1) / kPageBytes;
  const uint64_t wanted = read_number(pool + "nr_hugepages") + missing;
  throw std::runtime_error("needs " + std::to_string((bytes_needed + kPageBytes - 1) / kPageBytes) +
                           " huge pages of 2 MB and finds " + std::to_string(free) +
                           " free; run 'sysctl -w vm.nr_hugepages=" + std::to_string(wanted) +
                           "', or lower [dataplane] connections");
}

}  // namespace millrace
