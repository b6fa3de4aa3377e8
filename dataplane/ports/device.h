// device.h: one configured device plugged into DPDK, before its queues are set up. One function per family of drivers;
// port_open.cpp calls the right one and does the rest alike for all.
// Thread: main lcore, at start.
// Fails:  std::runtime_error, one sentence with the remedy; nothing is left plugged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "dataplane/bpf/steer_loader.h"
#include "dataplane/ports/port.h"

struct rte_mempool;

namespace millrace {

class EmulatedNic;

struct Device {
  DeviceKind kind{};
  uint16_t dpdk_port = kNoDpdkPort;
  uint16_t exception_port = kNoDpdkPort;
  uint16_t inner_port = kNoDpdkPort;      // emulated_nic: the device behind it
  std::shared_ptr<EmulatedNic> emulated;  // emulated_nic
  bool kernel_sees_all = false;
  uint32_t kernel_ifindex = 0;
  uint16_t mtu_bytes = 0;  // 0: ask DPDK
  uint16_t descriptor_count = 1024;
  std::string interface;           // af_xdp, af_packet
  bool copies = false;             // af_xdp: by the kernel's copying, never zero copy
  bool steered = false;            // our XDP program is on it
  bool takes_settings = false;     // it chooses queues by RSS settings of its driver
  bool has_own_mac = true;         // false: the driver makes one up
  std::vector<uint16_t> given_up;  // DPDK ports that replug_af_xdp() replaced
  std::vector<int> held_sockets;   // settings of the interface, held while they are open
  std::vector<int> queue_sockets;  // af_xdp: the driver's, by queue; -1 where unknown
};

// What the drivers need to know of the port they are for.
struct DeviceRequest {
  const config::PortConfig& config;
  // Of all ports of the device; 0: one has the frames without a tag.
  const std::vector<uint16_t>& vlans;
  PortIndex index{};
  rte_mempool* mbuf_pool = nullptr;
  // The maps that all our XDP programs share; the first af_xdp port fills it in when no program was left to inherit.
  SteerMaps& steer_maps;

  bool has_tags() const {
    return std::any_of(vlans.begin(), vlans.end(), [](uint16_t vlan) { return vlan != 0; });
  }
};

Device plug_af_xdp(const DeviceRequest& request);
Device plug_af_packet(const DeviceRequest& request);
Device plug_pci(const DeviceRequest& request);
Device plug_test_port(const DeviceRequest& request);  // memif, pcap, ring, null
// emulated_nic.h, before what `plug_inner` plugs.
Device plug_emulated_nic(const DeviceRequest& request, Device (*plug_inner)(const DeviceRequest&));

// A driver whose queue setup failed cannot be used again, and closing it would take our XDP program off: another one
// takes its place, and it stays unused until unplug(). Costs the 2048 packet buffers that it holds.
void replug_af_xdp(Device& device, const DeviceRequest& request);

// The AF_XDP sockets of this process. DPDK's driver does not tell which it uses: that of a queue is the one that was
// not there before the queue was set up.
std::set<int> open_xdp_sockets();

// Undoes plug_…: closes the DPDK ports, lets go of the interface, takes our XDP program off it.
void unplug(Device& device);

// The largest frame that one mbuf of the pool takes after the driver has used `driver_bytes` of it.
uint16_t frame_bytes_max(const rte_mempool* mbuf_pool, unsigned driver_bytes);

// Makes a DPDK virtual device and returns its port. Throws with `what` and DPDK's reason.
uint16_t plug_vdev(const std::string& name, const std::string& arguments, const std::string& what);

}  // namespace millrace
