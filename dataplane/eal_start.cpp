// eal_start.cpp: arguments, then rte_eal_init.
#include "dataplane/eal_start.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "dataplane/host_checks.h"

namespace millrace {
namespace {

// "0@(0,3),1@1,2@2": the main lcore on whatever the workers leave, so that it does not take turns with one of them.
std::string lcore_map(const std::vector<unsigned>& workers, std::vector<unsigned> main_cpus) {
  const std::vector<unsigned> all = main_cpus;
  std::erase_if(main_cpus, [&](unsigned cpu) { return std::count(workers.begin(), workers.end(), cpu) != 0; });
  std::string map = "0@(" + format_cpus(main_cpus.empty() ? all : main_cpus) + ")";
  for (size_t i = 0; i < workers.size(); ++i) map += "," + std::to_string(i + 1) + "@" + std::to_string(workers[i]);
  return map;
}

}  // namespace

std::vector<std::string> eal_arguments(const config::DataplaneConfig& dataplane,
                                       const std::vector<unsigned>& allowed_cpus, bool verbose) {
  std::vector<std::string> arguments = {
      "--in-memory",
      "--no-telemetry",
      "--file-prefix=millrace" + std::to_string(getpid()),
      "--lcores=" + lcore_map(dataplane.workers, allowed_cpus),
      std::string("--log-level=") + (verbose ? "info" : "warning"),
  };
  // It warns of every pool of huge pages that is empty, also of sizes that nobody asked for.
  if (!verbose) arguments.push_back("--log-level=lib.eal:error");
  bool uses_pci = false;
  for (const config::PortConfig& port : dataplane.ports) {
    if (port.device_kind != "pci") continue;
    uses_pci = true;
    arguments.insert(arguments.end(), {"-a", port.device_arg});
  }
  // AF_XDP registers the whole packet pool as one region: it must not fall apart into physically contiguous pieces.
  if (!uses_pci) arguments.insert(arguments.end(), {"--no-pci", "--iova-mode=va"});
  return arguments;
}

Eal::Eal(const config::DataplaneConfig& dataplane, bool verbose) {
  std::vector<std::string> arguments = eal_arguments(dataplane, allowed_cpus(), verbose);
  arguments.insert(arguments.begin(), "millrace-dataplane");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (rte_eal_init(static_cast<int>(arguments.size()), argv.data()) < 0)
    throw std::runtime_error(std::string("DPDK does not start: ") + rte_strerror(rte_errno) +
                             "; run again with --verbose to see why");
}

Eal::~Eal() { rte_eal_cleanup(); }

}  // namespace millrace
