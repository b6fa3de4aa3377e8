// port_open.cpp: see the header. plug (one function per kind of device, device.h) > configure > queues > start.
#include "dataplane/ports/port_open.h"

#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include "dataplane/ports/device.h"
#include "dataplane/ports/emulated_nic.h"
#include "dataplane/ports/queue_steering.h"
#include "dataplane/ports/vlan_filter.h"
#include "dataplane/ports/vlan_interface.h"
#include "millrace/limits.h"

namespace millrace {

namespace {

// What close_ports() has to undo. Main lcore only.
std::vector<Device> opened_devices;

[[noreturn]] void throw_dpdk(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + rte_strerror(error < 0 ? -error : error));
}

Device plug_plain(const DeviceRequest& request) {
  const std::string& kind = request.config.device_kind;
  if (kind == "af_xdp") return plug_af_xdp(request);
  if (kind == "af_packet") return plug_af_packet(request);
  if (kind == "pci") return plug_pci(request);
  return plug_test_port(request);
}

Device plug(const DeviceRequest& request) {
  return request.config.emulation == config::NicEmulation::none ? plug_plain(request)
                                                                : plug_emulated_nic(request, plug_plain);
}

// What DPDK makes of an AF_XDP queue that another socket still holds.
struct QueueBusy {};

// The socket that came since `before`; -1 when that is not exactly one.
int new_xdp_socket(const std::set<int>& before) {
  int found = -1;
  for (const int fd : open_xdp_sockets()) {
    if (before.contains(fd)) continue;
    if (found >= 0) return -1;
    found = fd;
  }
  return found;
}

void set_up_queues(Device& device, uint16_t dpdk_port, uint16_t queues, const rte_eth_conf& conf,
                   rte_mempool* mbuf_pool, const std::string& label) {
  int error = rte_eth_dev_configure(dpdk_port, queues, queues, &conf);
  if (error != 0) throw_dpdk(label + ": DPDK refuses " + std::to_string(queues) + " queue(s)", error);
  uint16_t receive_count = device.descriptor_count;
  uint16_t transmit_count = device.descriptor_count;
  error = rte_eth_dev_adjust_nb_rx_tx_desc(dpdk_port, &receive_count, &transmit_count);
  if (error != 0) throw_dpdk(label + ": DPDK names no possible ring size", error);
  const int socket = rte_eth_dev_socket_id(dpdk_port);
  const unsigned numa = socket < 0 ? static_cast<unsigned>(SOCKET_ID_ANY) : static_cast<unsigned>(socket);
  device.queue_sockets.clear();
  for (uint16_t queue = 0; queue < queues; ++queue) {
    const std::set<int> sockets_before = open_xdp_sockets();
    // Transmit first: the AF_XDP driver makes both sides of its socket when the receive side is set up.
    error = rte_eth_tx_queue_setup(dpdk_port, queue, transmit_count, numa, nullptr);
    if (error != 0) throw_dpdk(label + ": cannot set up transmit queue " + std::to_string(queue), error);
    error = rte_eth_rx_queue_setup(dpdk_port, queue, receive_count, numa, nullptr, mbuf_pool);
    if (error == -EINVAL && device.kind == DeviceKind::af_xdp) throw QueueBusy();
    if (error != 0)
      throw_dpdk(label + ": cannot set up receive queue " + std::to_string(queue) + " with " +
                     std::to_string(rte_mempool_avail_count(mbuf_pool)) + " free packet buffers",
                 error);
    device.queue_sockets.push_back(new_xdp_socket(sockets_before));
  }
}

// The kernel releases the AF_XDP sockets of a process that ended only a moment after its end. Until then a queue is
// busy.
constexpr std::array<unsigned, 5> kBusyQueuePausesMs = {50, 150, 400, 1000, 2000};

void set_up_device(Device& device, const DeviceRequest& request, const rte_eth_conf& conf) {
  const std::string& label = request.config.device_arg;
  for (unsigned pauses = 0;; ++pauses) {
    try {
      return set_up_queues(device, device.dpdk_port, request.config.queues, conf, request.mbuf_pool, label);
    } catch (const QueueBusy&) {
      if (pauses == kBusyQueuePausesMs.size())
        throw std::runtime_error("another program has AF_XDP sockets on queues of " + label +
                                 "; stop it (`ss --xdp -p` names it)");
    }
    spdlog::info("{}: a queue is still busy, trying again", label);
    std::this_thread::sleep_for(std::chrono::milliseconds(kBusyQueuePausesMs[pauses]));
    replug_af_xdp(device, request);
  }
}

// Neighbour discovery for our addresses comes to multicast groups that nobody joined.
void receive_multicast(uint16_t dpdk_port, const std::string& name) {
  if (rte_eth_allmulticast_enable(dpdk_port) == 0 || rte_eth_promiscuous_enable(dpdk_port) == 0) return;
  spdlog::warn("port {}: the driver cannot receive all multicast; IPv6 neighbours may not find our addresses", name);
}

void start(uint16_t dpdk_port, const std::string& label) {
  const int error = rte_eth_dev_start(dpdk_port);
  if (error != 0) throw_dpdk(label + ": the driver does not start", error);
}

void read_mac(Port& port, const Device& device) {
  rte_ether_addr mac{};
  if (device.has_own_mac && rte_eth_macaddr_get(device.dpdk_port, &mac) == 0)
    std::memcpy(port.mac.bytes.data(), mac.addr_bytes, port.mac.bytes.size());
  else
    port.mac = MacAddr{{0x02, 'm', 'i', 'l', 'l', raw(port.index)}};  // locally administered; known to tests
}

Port make_port(const DeviceRequest& request, const Device& device) {
  Port port;
  port.index = request.index;
  port.kind = device.kind;
  port.dpdk_port = device.dpdk_port;
  port.exception_port = device.exception_port;
  port.kernel_sees_all = device.kernel_sees_all;
  port.queue_count = request.config.queues;
  port.kernel_ifindex = device.kernel_ifindex;
  port.name = request.config.name;
  port.device = request.config.device();
  read_mac(port, device);
  return port;
}

// The frames of one VLAN of the port's device alone; the kernel's interface of the VLAN takes the place of the device's, or
// of its TAP.
void set_vlan(Port& port, const config::PortConfig& config) {
  port.vlan = config.vlan;
  if (config.vlan == 0 || port.kernel_ifindex == 0) return;
  if (port.kind == DeviceKind::pci) {
    port.kernel_ifindex = make_vlan_interface(port.kernel_ifindex, config.vlan, config.interface);
    return;
  }
  const KernelInterface interface = find_vlan_interface(config.device_arg, config.vlan, config.interface);
  port.kernel_ifindex = interface.ifindex;
  port.mac = interface.mac;
  port.mtu_bytes = std::min(port.mtu_bytes, interface.mtu_bytes);
}

// What its driver says it can do; it has as many queues as the port wants.
rte_eth_dev_info ask_driver(const Device& device, const config::PortConfig& config) {
  rte_eth_dev_info info{};
  const int error = rte_eth_dev_info_get(device.dpdk_port, &info);
  if (error != 0) throw_dpdk(config.device_arg + ": the driver does not say what it can", error);
  const uint16_t queues_max = std::min(info.max_rx_queues, info.max_tx_queues);
  if (config.queues > queues_max)
    throw std::runtime_error("the driver of " + config.device_arg + " has " + std::to_string(queues_max) +
                             " queue(s), not " + std::to_string(config.queues) + "; lower `queues`");
  return info;
}

// The port's other DPDK ports, which nothing steers.
void start_beside(Device& device, uint16_t dpdk_port, uint16_t queues, const DeviceRequest& request) {
  if (dpdk_port == kNoDpdkPort) return;
  set_up_queues(device, dpdk_port, queues, rte_eth_conf{}, request.mbuf_pool, request.config.name);
  start(dpdk_port, request.config.name);
}

// `pairs_dealt` counts (port, queue) pairs over all ports.
Port open_port(const DeviceRequest& request, unsigned worker_count, unsigned& pairs_dealt) {
  opened_devices.push_back(plug(request));
  Device& device = opened_devices.back();
  const rte_eth_dev_info info = ask_driver(device, request.config);
  const PortSteering steering = choose_steering(info, device.takes_settings, request.config, worker_count);
  rte_eth_conf conf{};
  if (steering.kind == SteeringKind::rss) request_rss(info, conf);
  const bool filters = request.has_tags() && filters_vlans(info);
  if (filters) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
  set_up_device(device, request, conf);
  Port port = make_port(request, device);
  port.steering = steering;
  std::copy(device.queue_sockets.begin(), device.queue_sockets.end(), port.queue_socket.begin());
  for (uint16_t queue = 0; queue < port.queue_count; ++queue)
    port.queue_owner[queue] = static_cast<WorkerIndex>(pairs_dealt++ % worker_count);
  start(device.dpdk_port, request.config.device_arg);
  if (port.steering.kind == SteeringKind::rss) confirm_key(port, request.config.steering);
  if (filters) admit_vlans(device.dpdk_port, request.vlans);
  if (device.held_sockets.empty()) receive_multicast(device.dpdk_port, port.name);
  start_beside(device, device.exception_port, port.queue_count, request);
  start_beside(device, device.inner_port, 1, request);
  port.mtu_bytes = device.mtu_bytes;
  if (port.mtu_bytes == 0 && rte_eth_dev_get_mtu(device.dpdk_port, &port.mtu_bytes) != 0)
    port.mtu_bytes = RTE_ETHER_MTU;
  return port;
}

// Another port of a device that is open.
Port share_device(const Port& first, PortIndex index, const config::PortConfig& config) {
  Port port = first;
  port.index = index;
  port.name = config.name;
  return port;
}

// The first in `wanted` of those on one device, which opens it for all.
size_t first_of_device(const std::vector<config::PortConfig>& wanted, size_t index) {
  for (size_t i = 0; i < index; ++i)
    if (wanted[i].vlan != wanted[index].vlan && wanted[i].shares_device(wanted[index])) return i;
  return index;
}

std::vector<uint16_t> vlans_of_device(const std::vector<config::PortConfig>& wanted, size_t first) {
  std::vector<uint16_t> vlans;
  for (size_t i = first; i < wanted.size(); ++i)
    if (first_of_device(wanted, i) == first) vlans.push_back(wanted[i].vlan);
  return vlans;
}

// Each device's own port fills its table, the others have what came of it.
void set_tables(std::vector<Port>& ports, const std::vector<config::PortConfig>& wanted, Owner& owner,
                const config::PortConfig*& current) {
  // All must agree on how many bits of the hash count before any table is filled.
  for (const Port& port : ports)
    if (port.steering.kind == SteeringKind::rss) owner.limit_reta(port.steering.reta_size);
  for (Port& port : ports) {
    current = &wanted[raw(port.index)];
    const size_t first = first_of_device(wanted, raw(port.index));
    if (first != raw(port.index))
      port.steering = ports[first].steering;
    else if (port.steering.kind == SteeringKind::rss)
      set_table(port, owner, current->steering);
  }
}

void check_wanted(const std::vector<config::PortConfig>& wanted) {
  if (wanted.empty()) throw std::runtime_error("no port is configured; add a [[dataplane.port]] with name and device");
  if (wanted.size() > kPortMax)
    throw std::runtime_error("at most " + std::to_string(kPortMax) +
                             " ports are possible; remove some [[dataplane.port]]");
  for (const config::PortConfig& config : wanted)
    if (config.queues == 0 || config.queues > kQueueMax)
      throw std::runtime_error("port " + config.name + ": between 1 and " + std::to_string(kQueueMax) +
                               " queues are possible; set `queues`");
}

void close_devices() {
  // Backwards, as they were made.
  for (; !opened_devices.empty(); opened_devices.pop_back()) unplug(opened_devices.back());
}

}  // namespace

std::vector<Port> open_ports(const std::vector<config::PortConfig>& wanted, Owner& owner, rte_mempool* mbuf_pool) {
  check_wanted(wanted);
  std::vector<Port> ports;
  unsigned pairs_dealt = 0;
  const config::PortConfig* current = &wanted.front();
  const unsigned worker_count = owner.worker_count();
  try {
    // What a killed dataplane left on any of the interfaces, all of the new programs go on with.
    SteerMaps steer_maps;
    for (const config::PortConfig& config : wanted) {
      current = &config;
      if (config.device_kind != "af_xdp" || steer_maps.complete()) continue;
      if (std::optional<SteerMaps> left = find_steer_maps(config.device_arg)) steer_maps = std::move(*left);
    }
    for (const config::PortConfig& config : wanted) {
      current = &config;
      const auto index = static_cast<PortIndex>(ports.size());
      const size_t first = first_of_device(wanted, raw(index));
      const std::vector<uint16_t> vlans = vlans_of_device(wanted, first);
      const DeviceRequest request{config, vlans, index, mbuf_pool, steer_maps};
      ports.push_back(first == raw(index) ? open_port(request, worker_count, pairs_dealt)
                                          : share_device(ports[first], index, config));
    }
    set_tables(ports, wanted, owner, current);
    for (Port& port : ports) {
      current = &wanted[raw(port.index)];
      set_vlan(port, *current);
    }
    for (Device& device : opened_devices)
      if (device.emulated) device.emulated->begin();
  } catch (const std::exception& failure) {
    close_devices();
    throw std::runtime_error("port " + current->name + " (" + current->device() + "): " + failure.what());
  }
  return ports;
}

void close_ports(const std::vector<Port>& ports) {
  if (!ports.empty()) close_devices();
}

}  // namespace millrace
