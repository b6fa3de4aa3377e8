// kernel_monitor.h: what the kernel knows about our ports' networks, by rtnetlink (libmnl): addresses, routes,
// neighbours; and asking it to resolve one (NTF_USE).
// Thread: main lcore. Sockets are non-blocking; poll() handles what has come, at most kMessagesPerPoll a call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "controlplane/config/config.h"
#include "dataplane/ports/neighbours.h"
#include "dataplane/ports/port.h"
#include "dataplane/ports/routes.h"

namespace millrace {

class KernelMonitor {
 public:
  // Dumps addresses, routes and neighbours of the ports with a kernel side, adds the static ones of the others.
  // Throws std::runtime_error.
  KernelMonitor(const std::vector<Port>& ports, const std::vector<config::PortConfig>& configured,
                NeighbourTable& neighbours);
  ~KernelMonitor();

  struct Changes {
    bool routes = false;     // routes() differs from before
    bool addresses = false;  // addresses() differs from before
    bool host_addresses = false;
  };
  // Reads pending messages, keeps `neighbours` up to date, re-dumps after a lost message (ENOBUFS), asks again for
  // unresolved neighbours after 1, 2, 4 … 16 s (each second while resolve() is called for them) and refreshes the
  // others every 20 s. Never throws: a dump that fails is logged and made again.
  Changes poll(uint64_t now_ms);

  const std::vector<Route>& routes() const;
  const std::vector<IpAddr>& addresses() const;       // of the ports' interfaces, link-local included
  const std::vector<IpAddr>& host_addresses() const;  // of every interface, for Steering::set_host_addresses

  // A worker wants this next hop: makes the entry and asks the kernel.
  void resolve(PortIndex port, const IpAddr& addr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
