// admission.h: which of the backends that were found a service may have: the rules that a static_list has to keep
// (validate.cpp, direct_tables.cpp, proxy_tables.cpp), by which the dataplane never has to reject what came from outside.
// Route:  DiscoveryMonitor::fill > Admission::admit
// Thread: any; pure.
// Bound:  kBackendPerServiceMax a service, kBackendMax in all; the first by address and port.
// Tests:  tests/unit/control/admission_test.cpp
#pragma once

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "controlplane/config/config.h"

namespace millrace::control {

class Admission {
 public:
  // Of `config` its binds, pools and static backends count. It must outlive this.
  explicit Admission(const config::Config& config);

  // `found`: sorted by address and port, each once. What is left out is named in `refused`, a sentence each.
  std::vector<config::BackendConfig> admit(const config::ServiceConfig& service,
                                           const std::vector<config::BackendConfig>& found,
                                           std::set<std::string>& refused);

 private:
  using Bind = std::tuple<Proto, IpAddr, uint16_t>;  // address and port

  // Empty: nothing is wrong with its address.
  std::string endpoint_problem(const config::ServiceConfig& service, const Endpoint& endpoint) const;

  const config::Config& config_;
  std::set<Bind> binds_;
  size_t backend_count_ = 0;
};

}  // namespace millrace::control
