// emulated_nic.cpp: see the header.
#include "dataplane/ports/emulated_nic.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_random.h>
#include <rte_ring.h>
#include <rte_thash.h>
#include <rte_udp.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "dataplane/ports/device.h"

namespace millrace {

namespace {

constexpr unsigned kRingSlots = 4096;
constexpr uint16_t kDealMax = 64;

struct Ports {
  uint16_t src = 0;
  uint16_t dst = 0;
};

// Host byte order; false without TCP or UDP ports within the frame.
bool read_ports(const rte_mbuf& mbuf, size_t offset, uint8_t proto, Ports& ports) {
  if ((proto != IPPROTO_TCP && proto != IPPROTO_UDP) || mbuf.data_len < offset + sizeof(rte_udp_hdr)) return false;
  const auto* l4 = rte_pktmbuf_mtod_offset(&mbuf, const rte_udp_hdr*, offset);
  ports = {rte_be_to_cpu_16(l4->src_port), rte_be_to_cpu_16(l4->dst_port)};
  return true;
}

bool is_fragment(const rte_ipv4_hdr& ip) {
  return (rte_be_to_cpu_16(ip.fragment_offset) & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0;
}

uint32_t hash_ipv4(const rte_mbuf& mbuf, size_t offset, const uint8_t* key) {
  if (mbuf.data_len < offset + sizeof(rte_ipv4_hdr)) return 0;
  const auto* ip = rte_pktmbuf_mtod_offset(&mbuf, const rte_ipv4_hdr*, offset);
  Ports ports;
  if (is_fragment(*ip) || !read_ports(mbuf, offset + rte_ipv4_hdr_len(ip), ip->next_proto_id, ports)) return 0;
  rte_thash_tuple tuple{};
  tuple.v4.src_addr = rte_be_to_cpu_32(ip->src_addr);
  tuple.v4.dst_addr = rte_be_to_cpu_32(ip->dst_addr);
  tuple.v4.sport = ports.src;
  tuple.v4.dport = ports.dst;
  return rte_softrss(reinterpret_cast<uint32_t*>(&tuple), RTE_THASH_V4_L4_LEN, key);
}

uint32_t hash_ipv6(const rte_mbuf& mbuf, size_t offset, const uint8_t* key) {
  const size_t l4_offset = offset + sizeof(rte_ipv6_hdr);
  if (mbuf.data_len < l4_offset) return 0;
  const auto* ip = rte_pktmbuf_mtod_offset(&mbuf, const rte_ipv6_hdr*, offset);
  Ports ports;
  if (!read_ports(mbuf, l4_offset, ip->proto, ports)) return 0;
  rte_thash_tuple tuple{};
  rte_thash_load_v6_addrs(ip, &tuple);
  tuple.v6.sport = ports.src;
  tuple.v6.dport = ports.dst;
  return rte_softrss(reinterpret_cast<uint32_t*>(&tuple), RTE_THASH_V6_L4_LEN, key);
}

}  // namespace

EmulatedNic::EmulatedNic(config::NicEmulation emulation, uint16_t front_port, uint16_t inner_port, uint16_t queue_count)
    : emulation_(emulation), front_port_(front_port), inner_port_(inner_port) {
  for (uint16_t queue = 0; queue < queue_count; ++queue) {
    const std::string name = "mr_nic" + std::to_string(front_port) + "_" + std::to_string(queue);
    rte_ring* ring = rte_ring_create(name.c_str(), kRingSlots, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (ring == nullptr) throw std::runtime_error("cannot make the ring " + name + ": " + rte_strerror(rte_errno));
    queues_.push_back({this, ring});
  }
  for (Queue& queue : queues_) queue_data_.push_back(&queue);
}

EmulatedNic::~EmulatedNic() {
  for (const Queue& queue : queues_) {
    for (void* mbuf = nullptr; rte_ring_dequeue(queue.ring, &mbuf) == 0;)
      rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
    rte_ring_free(queue.ring);
  }
}

void EmulatedNic::begin() {
  const auto queue_count = static_cast<uint16_t>(queues_.size());
  for (unsigned entry = 0; entry < kRetaSize; ++entry) table_[entry] = static_cast<uint16_t>(entry % queue_count);
  rte_eth_rss_conf conf{.rss_key = key_.data(), .rss_key_len = kRssKeyBytes, .rss_hf = 0};
  std::array<rte_eth_rss_reta_entry64, kRetaSize / RTE_ETH_RETA_GROUP_SIZE> reta{};
  for (rte_eth_rss_reta_entry64& group : reta) group.mask = UINT64_MAX;
  const bool has_settings = rte_eth_dev_rss_hash_conf_get(front_port_, &conf) == 0 &&
                            rte_eth_dev_rss_reta_query(front_port_, reta.data(), kRetaSize) == 0;
  if (has_settings && emulation_ != config::NicEmulation::plain)
    for (unsigned entry = 0; entry < kRetaSize; ++entry)
      table_[entry] = reta[entry / RTE_ETH_RETA_GROUP_SIZE].reta[entry % RTE_ETH_RETA_GROUP_SIZE];
  if (emulation_ != config::NicEmulation::rss)
    for (uint8_t& byte : key_) byte ^= 0x5a;
  struct rte_eth_fp_ops& ops = rte_eth_fp_ops[front_port_];
  ops.rx_pkt_burst = receive;
  ops.rxq.data = queue_data_.data();
  ops.tx_pkt_burst = send;
  ops.txq.data = queue_data_.data();
}

uint16_t EmulatedNic::queue_of(const rte_mbuf& mbuf) const {
  if (emulation_ == config::NicEmulation::random) return static_cast<uint16_t>(rte_rand_max(queues_.size()));
  uint32_t hash = 0;
  size_t offset = sizeof(rte_ether_hdr);
  if (mbuf.data_len >= offset + sizeof(rte_vlan_hdr)) {
    const auto* ether = rte_pktmbuf_mtod(&mbuf, const rte_ether_hdr*);
    rte_be16_t type = ether->ether_type;
    if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {  // cards look behind it
      type = reinterpret_cast<const rte_vlan_hdr*>(ether + 1)->eth_proto;
      offset += sizeof(rte_vlan_hdr);
    }
    if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) hash = hash_ipv4(mbuf, offset, key_.data());
    if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) hash = hash_ipv6(mbuf, offset, key_.data());
  }
  return table_[hash % kRetaSize];
}

void EmulatedNic::deal_burst() {
  for (const Queue& queue : queues_)
    if (rte_ring_free_count(queue.ring) < kDealMax) return;
  std::array<rte_mbuf*, kDealMax> mbufs;
  const uint16_t count = rte_eth_rx_burst(inner_port_, 0, mbufs.data(), kDealMax);
  for (uint16_t i = 0; i < count; ++i) rte_ring_sp_enqueue(queues_[queue_of(*mbufs[i])].ring, mbufs[i]);
}

uint16_t EmulatedNic::receive(void* queue, rte_mbuf** mbufs, uint16_t wanted) {
  auto& self = *static_cast<Queue*>(queue);
  if (rte_spinlock_trylock(&self.nic->receive_lock_) != 0) {
    self.nic->deal_burst();
    rte_spinlock_unlock(&self.nic->receive_lock_);
  }
  return static_cast<uint16_t>(rte_ring_sc_dequeue_burst(self.ring, reinterpret_cast<void**>(mbufs), wanted, nullptr));
}

uint16_t EmulatedNic::send(void* queue, rte_mbuf** mbufs, uint16_t count) {
  EmulatedNic& nic = *static_cast<Queue*>(queue)->nic;
  rte_spinlock_lock(&nic.send_lock_);
  const uint16_t sent = rte_eth_tx_burst(nic.inner_port_, 0, mbufs, count);
  rte_spinlock_unlock(&nic.send_lock_);
  return sent;
}

// The device behind has one queue; what its port knows of the kernel and of MTUs is true of the whole.
Device plug_emulated_nic(const DeviceRequest& request, Device (*plug_inner)(const DeviceRequest&)) {
  config::PortConfig inner_config = request.config;
  inner_config.queues = 1;
  Device device = plug_inner({inner_config, request.vlans, request.index, request.mbuf_pool, request.steer_maps});
  device.inner_port = device.dpdk_port;
  device.dpdk_port = kNoDpdkPort;
  device.takes_settings = request.config.emulation != config::NicEmulation::plain;
  try {
    device.dpdk_port = plug_vdev("net_null_nic_" + std::to_string(raw(request.index)), "no-rx=1", "an emulated NIC");
    rte_ether_addr mac{};
    if (rte_eth_macaddr_get(device.inner_port, &mac) == 0) rte_eth_dev_default_mac_addr_set(device.dpdk_port, &mac);
    device.emulated = std::make_shared<EmulatedNic>(request.config.emulation, device.dpdk_port, device.inner_port,
                                                    request.config.queues);
  } catch (...) {
    unplug(device);
    throw;
  }
  return device;
}

}  // namespace millrace
