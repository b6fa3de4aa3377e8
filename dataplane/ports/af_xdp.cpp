// af_xdp.cpp: a NIC shared with the kernel. DPDK's net_af_xdp driver polls the sockets, our XDP program (bpf/) decides
// what they get.
// Order:  interface checked and reserved > program attached > driver plugged; port_open sets up the queues, and with
//         each of them libxdp puts its socket into the program's xsks_map.
// Frames: the driver hands mbufs to the kernel as they are, which puts XDP_PACKET_HEADROOM before the frame; so a frame
//         has 256 bytes less than the mbuf: with the usual 2048 bytes of data room an MTU of 1778.
// Memory: the packet pool must be one piece, for it is registered with the kernel as a whole (EAL: --iova-mode=va).
//         Each queue keeps 2048 mbufs in its fill ring, and up to 2048 each in its receive and transmit rings.
#include <linux/bpf.h>
#include <rte_ether.h>
#include <rte_mempool.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <xdp/libxdp.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "dataplane/ports/device.h"
#include "dataplane/ports/kernel_interface.h"
#include "dataplane/ports/vlan_interface.h"

namespace millrace {

namespace {

constexpr uint16_t kDescriptorCount = 2048;

// libxdp tells the operator that it will not remove our program; that is as we want it.
int log_libxdp(libxdp_print_level level, const char* format, va_list args) {
  if (level == LIBXDP_DEBUG) return 0;
  std::array<char, 512> line{};
  const int bytes = vsnprintf(line.data(), line.size(), format, args);
  line[std::strcspn(line.data(), "\n")] = '\0';
  spdlog::debug("{}", line.data());
  return bytes;
}

void check_interface(const KernelInterface& interface, const DeviceRequest& request) {
  const std::string& name = interface.name;
  if (request.config.queues > interface.combined_queue_count)
    throw std::runtime_error("interface " + name + " offers AF_XDP " + std::to_string(interface.combined_queue_count) +
                             " queue(s), not " + std::to_string(request.config.queues) +
                             "; lower `queues`, try `ethtool -L " + name + " combined " +
                             std::to_string(request.config.queues) + "`, or use af_packet:" + name);
  if (interface.receives_merged)
    throw std::runtime_error("interface " + name +
                             " merges received packets (LRO), which cannot be forwarded; `ethtool -K " + name +
                             " lro off`");
  if (request.mbuf_pool->nb_mem_chunks != 1)
    throw std::runtime_error(
        "the packet buffers lie in " + std::to_string(request.mbuf_pool->nb_mem_chunks) +
        " pieces of memory, AF_XDP needs them in one: use no pci port beside af_xdp, or turn the IOMMU "
        "on (kernel option intel_iommu=on or amd_iommu=on)");
  const int header_bytes = RTE_ETHER_HDR_LEN + (request.has_tags() ? RTE_VLAN_HLEN : 0);
  const int mtu_max = frame_bytes_max(request.mbuf_pool, XDP_PACKET_HEADROOM) - header_bytes;
  if (interface.mtu_bytes > mtu_max)
    throw std::runtime_error("the MTU of " + name + " is " + std::to_string(interface.mtu_bytes) +
                             ", an AF_XDP frame here takes " + std::to_string(mtu_max) + "; `ip link set dev " + name +
                             " mtu " + std::to_string(mtu_max < 1500 ? mtu_max : 1500) + "`");
}

uint16_t plug_driver(const Device& device, const DeviceRequest& request) {
  const std::string name =
      "net_af_xdp_" + std::to_string(raw(request.index)) + "_" + std::to_string(device.given_up.size());
  // Busy polling drives a NIC's NAPI from our thread. A veth has none to drive: an empty poll would take 149 ns for its
  // system call instead of 4.
  const std::string busy_polling = device.copies ? ",busy_budget=0" : "";
  // No xdp_prog: the driver would load the program itself, and only onto an interface that has none.
  const std::string arguments = "iface=" + device.interface +
                                ",start_queue=0,queue_count=" + std::to_string(request.config.queues) + busy_polling;
  return plug_vdev(name, arguments, device.interface);
}

}  // namespace

Device plug_af_xdp(const DeviceRequest& request) {
  const KernelInterface interface = read_kernel_interface(request.config.device_arg);
  check_interface(interface, request);
  Device device{.kind = DeviceKind::af_xdp,
                .kernel_sees_all = true,
                .kernel_ifindex = interface.ifindex,
                .mtu_bytes = interface.mtu_bytes,
                .descriptor_count = kDescriptorCount,
                .interface = interface.name,
                .copies = interface.driver == "veth"};
  try {
    device.held_sockets.push_back(hold_interface(interface.name));
    device.held_sockets.push_back(hold_all_multicast(interface));
    if (request.has_tags()) leave_tags_in_frames(interface);
    attach_steer_program(interface.name, steer_object_path(),
                         request.steer_maps.complete() ? &request.steer_maps : nullptr, request.vlans);
    device.steered = true;
    if (!request.steer_maps.complete()) request.steer_maps = find_steer_maps(interface.name).value();
    libxdp_set_print(log_libxdp);
    device.dpdk_port = plug_driver(device, request);
  } catch (...) {
    unplug(device);
    throw;
  }
  return device;
}

void replug_af_xdp(Device& device, const DeviceRequest& request) {
  device.given_up.push_back(device.dpdk_port);
  device.dpdk_port = kNoDpdkPort;
  device.dpdk_port = plug_driver(device, request);
}

std::set<int> open_xdp_sockets() {
  std::set<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    int domain = 0;
    socklen_t bytes = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_XDP) found.insert(fd);
  }
  return found;
}

}  // namespace millrace
