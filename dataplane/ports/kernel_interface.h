// kernel_interface.h: what the kernel says about a network interface, and the few settings we hold on it.
// Thread: main lcore, at start.
// Fails:  std::runtime_error, one sentence with the remedy.
#pragma once

#include <cstdint>
#include <string>

#include "millrace/addr.h"

namespace millrace {

struct KernelInterface {
  std::string name;
  uint32_t ifindex = 0;
  MacAddr mac;
  uint16_t mtu_bytes = 0;
  uint16_t combined_queue_count = 1;  // ethtool channels; 1 where the driver does not say
  std::string driver;                 // "veth", "ice" …; empty where it does not say
  bool receives_merged = false;       // GRO in hardware (LRO): merged packets would not fit an mbuf
  bool strips_tags = false;           // 802.1Q tags arrive beside the frame
};

// Throws when it is missing, down or no Ethernet.
KernelInterface read_kernel_interface(const std::string& name);

// False: the driver goes on. The setting stays when this process ends.
bool stop_stripping_tags(const std::string& name);

// Sockets that hold a setting of an interface until they are closed, by close() or by the death of the process.

// Multicast of every group is received (ND for our addresses goes to groups that the kernel has not joined).
int hold_all_multicast(const KernelInterface& interface);
// No other dataplane takes this interface. Throws when one holds it.
int hold_interface(const std::string& name);

// Makes this process's packet sockets on the interface deaf to what this host itself sends.
void drop_outgoing_packets(const KernelInterface& interface);

}  // namespace millrace
