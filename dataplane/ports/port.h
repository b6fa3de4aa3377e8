// port.h: one opened port, as workers and the main lcore see it. Immutable once the workers run.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "millrace/addr.h"
#include "millrace/ids.h"
#include "millrace/limits.h"
#include "millrace/steering.h"

namespace millrace {

// Place in the dataplane's port list, 0 .. kPortMax - 1. Not DPDK's port id.
enum class PortIndex : uint8_t {};

enum class DeviceKind : uint8_t { af_xdp, af_packet, pci, memif, pcap, ring, null };

inline constexpr uint16_t kNoDpdkPort = 0xffff;

// How packets of a port reach the worker that owns them, and why so (queue_steering.h).
struct PortSteering {
  SteeringKind kind{};
  SteeringReason reason{};
  uint16_t reta_size = 0;     // rss: entries of the driver's table
  uint8_t rss_key_bytes = 0;  // rss
};

struct Port {
  PortIndex index{};
  DeviceKind kind{};
  uint16_t dpdk_port = kNoDpdkPort;
  // Where packets that are not ours go: the TAP of a pci device. kNoDpdkPort: see kernel_sees_all.
  uint16_t exception_port = kNoDpdkPort;
  // True where diverting means doing nothing, because the kernel got its own copy (af_packet) or our XDP program
  // already passed what is not ours (af_xdp). False without a kernel side: then such packets drop as not_ours.
  bool kernel_sees_all = false;
  // The frames of this port have this 802.1Q id, 1 .. kVlanIdMax; 0: they have no tag. Ports of one device differ in it and
  // agree in dpdk_port, exception_port, queues and their owners; those that come after the first have none of their own.
  uint16_t vlan = 0;
  MacAddr mac;
  uint16_t mtu_bytes = 1500;    // largest IP packet
  uint16_t queue_count = 1;     // receive and transmit alike
  uint32_t kernel_ifindex = 0;  // 0: no kernel side
  std::string name;             // from the configuration
  std::string device;           // "af_xdp:eth1"
  PortSteering steering;
  // The worker that polls receive queue q and alone sends on transmit queue q. Dealt round robin over all ports.
  std::array<WorkerIndex, kQueueMax> queue_owner{};
  // What becomes readable when receive queue q has a packet; -1: it must be polled. Never closed by its readers.
  std::array<int, kQueueMax> queue_socket = no_sockets();

  static constexpr std::array<int, kQueueMax> no_sockets() {
    std::array<int, kQueueMax> none{};
    none.fill(-1);
    return none;
  }
};

}  // namespace millrace
