// host_checks.h: what can be known to go wrong before DPDK is started, in sentences that say what to do.
// Thread: main, at start.
// Fails:  std::runtime_error.      Tests: tests/unit/link/host_checks_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/config/config.h"

namespace millrace {

// Packet buffers that these ports and workers can have under way at once.
uint32_t packet_buffer_count(const config::DataplaneConfig& dataplane);

// Huge-page memory that the tables of this configuration take.
uint64_t hugepage_bytes_needed(const config::DataplaneConfig& dataplane);

void check_privileges();
void check_cpus(const std::vector<unsigned>& workers);
// `sysfs`: directory of the kernel's huge page pools; another one in tests.
void check_hugepages(uint64_t bytes_needed, const std::string& sysfs = "/sys/kernel/mm/hugepages");

// "0-2,5"
std::string format_cpus(const std::vector<unsigned>& cpus);
// CPUs that this process may run on.
std::vector<unsigned> allowed_cpus();

}  // namespace millrace
