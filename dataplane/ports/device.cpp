// device.cpp: what all kinds of devices share; see device.h.
#include "dataplane/ports/device.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>

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

std::atomic<unsigned> round_count;

// In DPDK's interrupt thread.
void count_round(void* handle) {
  eventfd_t ignored = 0;
  eventfd_read(rte_intr_fd_get(static_cast<rte_intr_handle*>(handle)), &ignored);
  round_count.fetch_add(1, std::memory_order_release);
}

bool wake_interrupts(int fd) {
  const unsigned before = round_count.load(std::memory_order_acquire);
  if (eventfd_write(fd, 1) != 0) return false;
  for (int ms = 0; ms < 1000; ++ms) {
    if (round_count.load(std::memory_order_acquire) != before) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

// Until DPDK's interrupt thread has dealt with everything that had happened before. When it hears of the second event,
// the round of the first, which saw all of that, is over. (An alarm would do the same and crash in rte_eal_cleanup, which
// frees what the thread still looks at.)
void wait_for_interrupts() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  rte_intr_handle* handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
  if (handle != nullptr && rte_intr_fd_set(handle, fd) == 0 && rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT) == 0 &&
      rte_intr_callback_register(handle, count_round, handle) == 0) {
    if (wake_interrupts(fd)) wake_interrupts(fd);
    rte_intr_callback_unregister_sync(handle, count_round, handle);
  }
  rte_intr_instance_free(handle);
  close(fd);
}

}  // namespace

void unplug(Device& device) {
  close_dpdk_port(device.exception_port);
  close_dpdk_port(device.dpdk_port);
  close_dpdk_port(device.inner_port);
  // The peer of a memif may be a port of ours (in tests). The interrupt thread takes it down now, and it must not be
  // closed meanwhile: DPDK would free its parts twice.
  if (device.kind == DeviceKind::memif) wait_for_interrupts();
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
