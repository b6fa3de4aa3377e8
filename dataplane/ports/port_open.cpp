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

#include "dataplane/conn/owner.h"
#include "dataplane/ports/device.h"
#include "millrace/limits.h"

namespace millrace {

namespace {

// What close_ports() has to undo. Main lcore only.
std::vector<Device> opened_devices;

[[noreturn]] void throw_dpdk(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + rte_strerror(error < 0 ? -error : error));
}

Device plug(const DeviceRequest& request) {
  const std::string& kind = request.config.device_kind;
  if (kind == "af_xdp") return plug_af_xdp(request);
  if (kind == "af_packet") return plug_af_packet(request);
  if (kind == "pci") return plug_pci(request);
  return plug_test_port(request);
}

// RSS with our key over addresses and ports, so that the NIC computes the owner's hash (conn/owner.h).
rte_eth_conf make_conf(const rte_eth_dev_info& info, const Device& device, uint16_t queues) {
  rte_eth_conf conf{};
  const uint64_t wanted = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP |
                          RTE_ETH_RSS_NONFRAG_IPV6_UDP;
  if (device.kind != DeviceKind::pci || queues == 1 || (info.flow_type_rss_offloads & wanted) == 0) return conf;
  conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & wanted;
  if (info.hash_key_size == kRssKeyBytes) {
    conf.rx_adv_conf.rss_conf.rss_key = const_cast<uint8_t*>(kRssKey.data());
    conf.rx_adv_conf.rss_conf.rss_key_len = kRssKeyBytes;
  }
  return conf;
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

// Which receive queue serves RETA entry `entry`: one of the worker that owns the hash, when the port has one.
uint16_t queue_for_reta_entry(const Port& port, unsigned entry, unsigned worker_count) {
  const auto owner = static_cast<WorkerIndex>(entry % kRetaSize % worker_count);
  for (uint16_t queue = 0; queue < port.queue_count; ++queue)
    if (port.queue_owner[queue] == owner) return queue;
  return static_cast<uint16_t>(entry % port.queue_count);
}

// A NIC whose table cannot be set still works: packets that reach another worker than their owner are handed over.
void program_reta(const Port& port, const rte_eth_dev_info& info, unsigned worker_count) {
  if (port.kind != DeviceKind::pci || port.queue_count == 1 || info.reta_size == 0) return;
  std::vector<rte_eth_rss_reta_entry64> table((info.reta_size + RTE_ETH_RETA_GROUP_SIZE - 1) / RTE_ETH_RETA_GROUP_SIZE);
  for (unsigned entry = 0; entry < info.reta_size; ++entry) {
    rte_eth_rss_reta_entry64& group = table[entry / RTE_ETH_RETA_GROUP_SIZE];
    group.mask |= uint64_t{1} << (entry % RTE_ETH_RETA_GROUP_SIZE);
    group.reta[entry % RTE_ETH_RETA_GROUP_SIZE] = queue_for_reta_entry(port, entry, worker_count);
  }
  const int error = rte_eth_dev_rss_reta_update(port.dpdk_port, table.data(), info.reta_size);
  if (error != 0)
    spdlog::warn("port {}: the NIC keeps its own RSS table ({}); workers hand packets over", port.name,
                 rte_strerror(-error));
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
  port.device = request.config.device_kind + ":" + request.config.device_arg;
  read_mac(port, device);
  return port;
}

// `pairs_dealt` counts (port, queue) pairs over all ports.
Port open_port(const DeviceRequest& request, unsigned worker_count, unsigned& pairs_dealt) {
  opened_devices.push_back(plug(request));
  Device& device = opened_devices.back();
  const std::string& label = request.config.device_arg;
  const uint16_t queues = request.config.queues;
  rte_eth_dev_info info{};
  const int error = rte_eth_dev_info_get(device.dpdk_port, &info);
  if (error != 0) throw_dpdk(label + ": the driver does not say what it can", error);
  const uint16_t queues_max = std::min(info.max_rx_queues, info.max_tx_queues);
  if (queues > queues_max)
    throw std::runtime_error("the driver of " + label + " has " + std::to_string(queues_max) + " queue(s), not " +
                             std::to_string(queues) + "; lower `queues`");
  set_up_device(device, request, make_conf(info, device, queues));
  Port port = make_port(request, device);
  std::copy(device.queue_sockets.begin(), device.queue_sockets.end(), port.queue_socket.begin());
  for (uint16_t queue = 0; queue < queues; ++queue)
    port.queue_owner[queue] = static_cast<WorkerIndex>(pairs_dealt++ % worker_count);
  start(device.dpdk_port, label);
  program_reta(port, info, worker_count);
  if (device.held_sockets.empty()) receive_multicast(device.dpdk_port, port.name);
  if (device.exception_port != kNoDpdkPort) {
    set_up_queues(device, device.exception_port, port.queue_count, rte_eth_conf{}, request.mbuf_pool, port.name);
    start(device.exception_port, port.name);
  }
  port.mtu_bytes = device.mtu_bytes;
  if (port.mtu_bytes == 0 && rte_eth_dev_get_mtu(device.dpdk_port, &port.mtu_bytes) != 0)
    port.mtu_bytes = RTE_ETHER_MTU;
  return port;
}

void check_wanted(const std::vector<config::PortConfig>& wanted, unsigned worker_count) {
  if (wanted.empty()) throw std::runtime_error("no port is configured; add a [[dataplane.port]] with name and device");
  if (wanted.size() > kPortMax)
    throw std::runtime_error("at most " + std::to_string(kPortMax) +
                             " ports are possible; remove some [[dataplane.port]]");
  if (worker_count == 0 || worker_count > kWorkerMax)
    throw std::runtime_error("between 1 and " + std::to_string(kWorkerMax) +
                             " workers are possible; set [dataplane] workers");
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

std::vector<Port> open_ports(const std::vector<config::PortConfig>& wanted, unsigned worker_count,
                             rte_mempool* mbuf_pool) {
  check_wanted(wanted, worker_count);
  std::vector<Port> ports;
  unsigned pairs_dealt = 0;
  const config::PortConfig* current = &wanted.front();
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
      const DeviceRequest request{config, static_cast<PortIndex>(ports.size()), mbuf_pool, steer_maps};
      ports.push_back(open_port(request, worker_count, pairs_dealt));
    }
  } catch (const std::exception& failure) {
    close_devices();
    throw std::runtime_error("port " + current->name + " (" + current->device_kind + ":" + current->device_arg +
                             "): " + failure.what());
  }
  return ports;
}

void close_ports(const std::vector<Port>& ports) {
  if (!ports.empty()) close_devices();
}

}  // namespace millrace
