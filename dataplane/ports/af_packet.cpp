// af_packet.cpp: a packet socket on an interface, for tests and for NICs without AF_XDP. The kernel gets its own copy
// of every packet, so a service may not sit on an address of the kernel here (it would answer too).
// Frames: a slot of the shared ring holds framesz bytes, kSlotHeaderBytes of them before the frame.
// Memory: ring of kSlotCount slots, for each direction of each queue.
#include <linux/if_packet.h>
#include <rte_ether.h>

#include <stdexcept>

#include "dataplane/ports/device.h"
#include "dataplane/ports/kernel_interface.h"

namespace millrace {

namespace {

constexpr unsigned kSlotCount = 2048;
constexpr unsigned kBlockBytes = 128 * 1024;
// TPACKET_V2: header and socket address, then the frame, placed so that the IP header is 16-aligned.
constexpr unsigned kSlotHeaderBytes = TPACKET_ALIGN(TPACKET2_HDRLEN + 16) - RTE_ETHER_HDR_LEN;

unsigned slot_bytes(const KernelInterface& interface, unsigned tag_bytes, const rte_mempool* mbuf_pool) {
  const unsigned frame_bytes = interface.mtu_bytes + RTE_ETHER_HDR_LEN + tag_bytes;
  for (const unsigned bytes : {2048u, 4096u, 16384u})
    // The driver wants room for a whole slot in an mbuf.
    if (frame_bytes + kSlotHeaderBytes <= bytes && bytes - TPACKET2_HDRLEN <= frame_bytes_max(mbuf_pool, 0))
      return bytes;
  throw std::runtime_error("the MTU of " + interface.name + " is " + std::to_string(interface.mtu_bytes) +
                           ", more than a packet buffer takes here; `ip link set dev " + interface.name + " mtu 1500`");
}

}  // namespace

Device plug_af_packet(const DeviceRequest& request) {
  const KernelInterface interface = read_kernel_interface(request.config.device_arg);
  const unsigned bytes = slot_bytes(interface, request.has_tags() ? RTE_VLAN_HLEN : 0, request.mbuf_pool);
  Device device{.kind = DeviceKind::af_packet,
                .kernel_sees_all = true,
                .kernel_ifindex = interface.ifindex,
                .mtu_bytes = interface.mtu_bytes,
                .interface = interface.name};
  try {
    device.held_sockets.push_back(hold_all_multicast(interface));
    const std::string arguments = "iface=" + interface.name + ",qpairs=" + std::to_string(request.config.queues) +
                                  ",blocksz=" + std::to_string(kBlockBytes) + ",framesz=" + std::to_string(bytes) +
                                  ",framecnt=" + std::to_string(kSlotCount);
    device.dpdk_port = plug_vdev("net_af_packet_" + std::to_string(raw(request.index)), arguments, interface.name);
    drop_outgoing_packets(interface);
  } catch (...) {
    unplug(device);
    throw;
  }
  return device;
}

}  // namespace millrace
