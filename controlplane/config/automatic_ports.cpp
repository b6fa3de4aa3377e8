// automatic_ports.cpp: the ports of a file without [dataplane], as gobetween's files are: the interfaces of this host that
// lead to its binds and backends.
#include <algorithm>
#include <filesystem>

#include "controlplane/config/host_routes.h"
#include "controlplane/config/tables.h"
#include "millrace/limits.h"
#include "millrace/segment.h"

namespace millrace::config {

namespace {

// Where the default route leads: documentation addresses (RFC 5737, RFC 3849), to which nobody has a route of its own.
constexpr const char* kElsewhere[] = {"192.0.2.1", "2001:db8::1"};

constexpr char kExample[] =
    "add, with your own network interface:\n"
    "    [dataplane]\n"
    "    workers = \"auto\"\n"
    "    [[dataplane.port]]\n"
    "    name = \"front\"\n"
    "    device = \"af_xdp:eth1\"";

// Every receive queue that the interface has: a packet in one that is not ours would be the kernel's.
uint16_t queue_count(const std::string& interface) {
  std::error_code error;
  uint16_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net/" + interface + "/queues", error))
    if (entry.path().filename().string().starts_with("rx-")) ++count;
  return std::clamp<uint16_t>(count, 1, kQueueMax);
}

void add_port(DataplaneConfig& dataplane, const std::string& interface) {
  const auto same = [&](const PortConfig& port) { return port.name == interface; };
  if (interface.empty() || interface == "lo" || std::ranges::any_of(dataplane.ports, same)) return;
  PortConfig port;
  port.name = interface;
  port.device_kind = "af_xdp";
  port.device_arg = interface;
  port.queues = queue_count(interface);
  dataplane.ports.push_back(std::move(port));
}

}  // namespace

void choose_ports(Config& config, const InterfaceTowards& towards, ErrorList& errors) {
  DataplaneConfig& dataplane = config.dataplane;
  dataplane.segment = kDefaultSegmentPath;
  dataplane.workers = {0};
  dataplane.idle_adaptive = true;  // the host is not ours alone
  for (const ServiceConfig& service : config.services) {
    for (const Endpoint& bind : service.binds)
      if (!bind.addr.is_any()) add_port(dataplane, towards(bind.addr));
    for (const BackendConfig& backend : service.backends) add_port(dataplane, towards(backend.endpoint.addr));
    const bool serves_all = std::ranges::any_of(service.binds, [](const Endpoint& bind) { return bind.addr.is_any(); });
    if (serves_all || service.backends.empty())
      for (const char* elsewhere : kElsewhere) add_port(dataplane, towards(*parse_ip(elsewhere)));
  }
  if (dataplane.ports.empty() || dataplane.ports.size() > kPortMax)
    errors.add({{}, "dataplane"},
               dataplane.ports.empty() ? "the table is missing, and no server says which interfaces to use"
                                       : "the table is missing, and the servers are behind too many interfaces",
               kExample);
}

std::string interface_towards(const IpAddr& addr) {
  const std::string own = interface_of(addr);
  if (!own.empty()) return own;
  const std::optional<IpAddr> source = kernel_source(addr);
  return source ? interface_of(*source) : std::string();
}

}  // namespace millrace::config
