// device.cpp: what all kinds of devices share; see device.h.
#include "dataplane/ports/device.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace millrace {

namespace {

void close_dpdk_port(uint16_t dpdk_port) {
  if (dpdk_port == kNoDpdkPort) return;
  // Refusals are no news here: not started, no kernel device to remove (a port made from rings).
  rte_eth_dev_stop(dpdk_port);
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(dpdk_port, &info) == 0 && info.device != nullptr && rte_dev_remove(info.device) == 0) return;
  rte_eth_dev_close(dpdk_port);
}

}  // namespace

void unplug(Device& device) {
  close_dpdk_port(device.exception_port);
  close_dpdk_port(device.dpdk_port);
  close_dpdk_port(device.inner_port);
  device.emulated.reset();
  for (const uint16_t dpdk_port : device.given_up) close_dpdk_port(dpdk_port);
  device.given_up.clear();
  device.exception_port = device.dpdk_port = device.inner_port = kNoDpdkPort;
  if (device.steered) {
    try {
      detach_steer_program(device.interface);
    } catch (const std::exception& failure) {
      spdlog::warn("{}", failure.what());
    }
  }
  for (const int fd : device.held_sockets) close(fd);
  device.held_sockets.clear();
}

uint16_t frame_bytes_max(const rte_mempool* mbuf_pool, unsigned driver_bytes) {
  // Some drivers' code takes the pool as not const.
  const unsigned room = rte_pktmbuf_data_room_size(const_cast<rte_mempool*>(mbuf_pool));
  const unsigned used = RTE_PKTMBUF_HEADROOM + driver_bytes;
  return static_cast<uint16_t>(room > used ? room - used : 0);
}

uint16_t plug_vdev(const std::string& name, const std::string& arguments, const std::string& what) {
  const int error = rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str());
  uint16_t port = kNoDpdkPort;
  if (error == 0 && rte_eth_dev_get_port_by_name(name.c_str(), &port) == 0) return port;
  throw std::runtime_error("DPDK's driver refuses " + what + ": " + rte_strerror(error < 0 ? -error : ENODEV) +
                           " (see the driver's own message before this one)");
}

}  // namespace millrace
