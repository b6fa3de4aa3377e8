// steering.h: tells the ports which packets must leave the kernel, and which must not come at all.
// af_xdp: fills the maps of our XDP program (bpf/steer.bpf.c). Other kinds take every packet: nothing to do.
// Thread: main lcore.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/pick/blocklist.h"
#include "dataplane/pick/vip_table.h"
#include "dataplane/ports/port.h"

namespace millrace {

class Steering {
 public:
  // Finds the maps of the programs that the opened af_xdp ports loaded. Throws std::runtime_error with a remedy.
  explicit Steering(const std::vector<Port>& ports);
  ~Steering();
  Steering(const Steering&) = delete;
  Steering& operator=(const Steering&) = delete;

  // Two halves around the swap of a snapshot: what is new is added before, what is gone is removed after, so that
  // no packet of a service that stays ever reaches the kernel. False with a sentence in `error` when a map is full.
  bool add(const VipTable& wanted, std::string& error);
  void remove_others(const VipTable& wanted);

  // After the swap; null: nobody is blocked. The workers block by the snapshot all that comes to them.
  void set_blocklist(const Blocklist* blocklist, const VipTable& vips);

  // Every address of this host (KernelMonitor::host_addresses()): packets to them from a backend of a `nat` service are
  // the kernel's own, not replies to forward. To be called at start and at every change, before add().
  void set_host_addresses(const std::vector<IpAddr>& addresses);

  // Packets that the XDP programs dropped because of the blocklist, since this object was made.
  uint64_t blocked() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
