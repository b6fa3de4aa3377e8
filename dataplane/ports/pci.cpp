// pci.cpp: a NIC taken whole from the kernel by a poll-mode driver. What is not ours goes to the kernel by a TAP that
// carries the port's name and the NIC's MAC: the operator gives that interface the host's addresses and routes. Ports of one
// device share the TAP; those with a VLAN have the kernel's interface of that VLAN on it (vlan_interface.h).
// The TAP has as many queues as the port; the worker that owns queue q of the port owns queue q of the TAP.
#include <net/if.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include <array>
#include <stdexcept>

#include "dataplane/ports/device.h"

namespace millrace {

namespace {

constexpr uint16_t kTapQueueMax = 16;  // of DPDK's net_tap driver

uint16_t find_or_plug(const std::string& address) {
  uint16_t port = kNoDpdkPort;
  // Named on the EAL's command line (-a) it is there already.
  if (rte_eth_dev_get_port_by_name(address.c_str(), &port) == 0) return port;
  const int error = rte_eal_hotplug_add("pci", address.c_str(), "");
  if (error != 0 || rte_eth_dev_get_port_by_name(address.c_str(), &port) != 0)
    throw std::runtime_error(
        "no DPDK driver takes the PCI device " + address + " (" + rte_strerror(error < 0 ? -error : ENODEV) +
        "); bind it with `dpdk-devbind.py --bind=vfio-pci " + address + "`, and `dpdk-devbind.py --status` shows all");
  return port;
}

std::string format_mac(uint16_t dpdk_port) {
  rte_ether_addr mac{};
  std::array<char, RTE_ETHER_ADDR_FMT_SIZE> text{};
  rte_eth_macaddr_get(dpdk_port, &mac);
  rte_ether_format_addr(text.data(), text.size(), &mac);
  return text.data();
}

}  // namespace

Device plug_pci(const DeviceRequest& request) {
  const config::PortConfig& config = request.config;
  if (config.queues > kTapQueueMax)
    throw std::runtime_error("a pci port has " + std::to_string(kTapQueueMax) + " queues at most, not " +
                             std::to_string(config.queues) + " (its TAP to the kernel has no more); lower `queues`");
  if (if_nametoindex(config.tap.c_str()) != 0)
    throw std::runtime_error("the kernel's side of the card is an interface " + config.tap +
                             ", and there is one already; rename the port \"" + config.tap + "\"");
  Device device{.kind = DeviceKind::pci, .takes_settings = true};
  try {
    device.dpdk_port = find_or_plug(config.device_arg);
    device.exception_port = plug_vdev("net_tap_" + std::to_string(raw(request.index)),
                                      "iface=" + config.tap + ",mac=" + format_mac(device.dpdk_port), config.tap);
    device.kernel_ifindex = if_nametoindex(config.tap.c_str());
  } catch (...) {
    unplug(device);
    throw;
  }
  return device;
}

}  // namespace millrace
