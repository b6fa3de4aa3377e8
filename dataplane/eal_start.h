// eal_start.h: starts DPDK's environment: memory that leaves no files behind, one pinned lcore per worker.
// Lcore 0 is the main lcore, worker i is lcore i + 1.
// Thread: main, at start.
// Fails:  std::runtime_error.
#pragma once

#include <string>
#include <vector>

#include "controlplane/config/config.h"

namespace millrace {

// The arguments for rte_eal_init, without the program's name.
std::vector<std::string> eal_arguments(const config::DataplaneConfig& dataplane,
                                       const std::vector<unsigned>& allowed_cpus, bool verbose);

// While one lives DPDK can be used; when it ends, DPDK's threads and memory are gone.
class Eal {
 public:
  Eal(const config::DataplaneConfig& dataplane, bool verbose);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;
};

}  // namespace millrace
