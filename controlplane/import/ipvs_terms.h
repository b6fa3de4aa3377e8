// ipvs_terms.h: the words of the kernel's IPVS, which keepalived.conf and ipvsadm share, in ours.
// Tests: tests/unit/import/keepalived_test.cpp, tests/unit/import/ipvsadm_test.cpp
#pragma once

#include "controlplane/import/draft.h"

namespace millrace::importing {

struct IpvsScheduler {
  std::string_view name = "wlc";  // IPVS's default
  uint32_t line = 0;
  bool hashes_ports = false;  // sh-port, mh-port
  bool persistent = false;    // a client keeps its backend
};

// Sets balance, or weights and priorities, from the scheduler; after the backends are known.
void apply_scheduler(const IpvsScheduler& scheduler, DraftService& service, Complaints& complaints);

}  // namespace millrace::importing
