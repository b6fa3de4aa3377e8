// test_ports.cpp: ports without a NIC, for tests and benchmarks.
//   memif:PATH[,client|server]  shared memory with another process; server unless told
//   pcap:rx=FILE,tx=FILE        plays one file, records another; either may be left out
//   ring:                       two rte_rings a queue, ring_port_name() names them: a test fills one and empties the
//   other null:                       receives nothing, forgets what is sent
#include "dataplane/ports/test_ports.h"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ring.h>

#include <array>
#include <filesystem>
#include <stdexcept>

#include "dataplane/ports/device.h"

namespace millrace {

namespace {

constexpr unsigned kRingSlots = 4096;

std::string vdev_name(const char* driver, const DeviceRequest& request) {
  return std::string(driver) + "_" + std::to_string(raw(request.index));
}

[[noreturn]] void throw_bad(const DeviceRequest& request, const std::string& form) {
  throw std::runtime_error("\"" + request.config.device_kind + ":" + request.config.device_arg +
                           "\" is not understood; write \"" + form + "\"");
}

// DPDK's own syntax separates arguments by commas, and files by these too.
void refuse_comma(const DeviceRequest& request, const std::string& value, const std::string& form) {
  if (value.empty() || value.find_first_of(",[]\"") != std::string::npos) throw_bad(request, form);
}

uint16_t plug_memif(const DeviceRequest& request) {
  const std::string form = "memif:PATH[,client|server]";
  std::string path = request.config.device_arg;
  std::string role = "server";
  if (const size_t comma = path.find(','); comma != std::string::npos) {
    role = path.substr(comma + 1);
    path.resize(comma);
  }
  refuse_comma(request, path, form);
  if (role != "server" && role != "client") throw_bad(request, form);
  return plug_vdev(vdev_name("net_memif", request),
                   "id=0,role=" + role + ",socket=" + path + ",socket-abstract=no,rsize=11", path);
}

uint16_t plug_pcap(const DeviceRequest& request) {
  const std::string form = "pcap:rx=FILE,tx=FILE";
  if (request.config.queues != 1) throw std::runtime_error("a pcap port has one queue; set queues = 1");
  std::string arguments;
  std::string rest = request.config.device_arg;
  while (!rest.empty()) {
    const std::string item = rest.substr(0, rest.find(','));
    rest.erase(0, item.size() + 1);
    const std::string file = item.substr(std::min<size_t>(3, item.size()));
    refuse_comma(request, file, form);
    if (item.starts_with("rx=") && !std::filesystem::exists(file))
      throw std::runtime_error("capture file " + file + " does not exist; name one that does");
    if (!item.starts_with("rx=") && !item.starts_with("tx=")) throw_bad(request, form);
    arguments += (arguments.empty() ? "" : ",") + item.substr(0, 2) + "_pcap=" + file;
  }
  if (arguments.empty()) throw_bad(request, form);
  return plug_vdev(vdev_name("net_pcap", request), arguments, request.config.device_arg);
}

uint16_t plug_ring(const DeviceRequest& request) {
  std::array<rte_ring*, kQueueMax> receive{};
  std::array<rte_ring*, kQueueMax> transmit{};
  const unsigned queues = request.config.queues;
  const auto make = [](const std::string& name) {
    rte_ring* ring = rte_ring_lookup(name.c_str());
    if (ring == nullptr) ring = rte_ring_create(name.c_str(), kRingSlots, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (ring == nullptr) throw std::runtime_error("cannot make the ring " + name + ": " + rte_strerror(rte_errno));
    return ring;
  };
  for (uint16_t queue = 0; queue < queues; ++queue) {
    receive[queue] = make(ring_port_name(request.index, queue, true));
    transmit[queue] = make(ring_port_name(request.index, queue, false));
  }
  const int port =
      rte_eth_from_rings(vdev_name("millrace", request).c_str(), receive.data(), queues, transmit.data(), queues, 0);
  if (port < 0) throw std::runtime_error(std::string("cannot make a ring port: ") + rte_strerror(rte_errno));
  return static_cast<uint16_t>(port);
}

}  // namespace

std::string ring_port_name(PortIndex port, uint16_t queue, bool receive) {
  return "mr_port" + std::to_string(raw(port)) + (receive ? "_rx" : "_tx") + std::to_string(queue);
}

Device plug_test_port(const DeviceRequest& request) {
  const std::string& kind = request.config.device_kind;
  Device device{.has_own_mac = false};
  if (kind == "memif") {
    device.kind = DeviceKind::memif;
    device.dpdk_port = plug_memif(request);
  } else if (kind == "pcap") {
    device.kind = DeviceKind::pcap;
    device.dpdk_port = plug_pcap(request);
  } else if (kind == "ring") {
    device.kind = DeviceKind::ring;
    device.dpdk_port = plug_ring(request);
  } else if (kind == "null") {
    device.kind = DeviceKind::null;
    device.dpdk_port = plug_vdev(vdev_name("net_null", request), "no-rx=1", "null");
  } else {
    throw std::runtime_error("there is no device kind \"" + kind +
                             "\"; use af_xdp, af_packet, pci, memif, pcap, ring or null");
  }
  return device;
}

}  // namespace millrace
