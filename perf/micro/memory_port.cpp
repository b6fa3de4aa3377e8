#include "perf/micro/memory_port.h"

#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace millrace::perf {

MemoryPort::MemoryPort(const char* device, const std::vector<rte_mempool*>& pools) {
  const rte_eth_conf conf{};
  const auto count = static_cast<uint16_t>(pools.size());
  bool good = rte_eth_dev_get_port_by_name(device, &dpdk_port_) == 0 &&
              rte_eth_dev_configure(dpdk_port_, count, count, &conf) == 0;
  for (uint16_t q = 0; q < count && good; ++q)
    good = rte_eth_rx_queue_setup(dpdk_port_, q, 512, SOCKET_ID_ANY, nullptr, pools[q]) == 0 &&
           rte_eth_tx_queue_setup(dpdk_port_, q, 512, SOCKET_ID_ANY, nullptr) == 0;
  if (!good || rte_eth_dev_start(dpdk_port_) != 0)
    throw std::runtime_error(std::string("DPDK device ") + device + " does not start");
  for (rte_mempool* pool : pools) queues_.emplace_back(dpdk_port_, pool);
  for (MemoryQueue& queue : queues_) queue_data_.push_back(&queue);
  struct rte_eth_fp_ops& ops = rte_eth_fp_ops[dpdk_port_];
  ops.rx_pkt_burst = MemoryQueue::receive;
  ops.rxq.data = queue_data_.data();
  ops.tx_pkt_burst = MemoryQueue::send;
  ops.txq.data = queue_data_.data();
}

MemoryPort::~MemoryPort() {
  rte_eth_dev_stop(dpdk_port_);  // puts ethdev's own functions back
  rte_eth_dev_close(dpdk_port_);
}

constexpr size_t kSlotsAhead = 16;

uint16_t MemoryQueue::receive(void* queue, rte_mbuf** mbufs, uint16_t wanted) {
  auto& self = *static_cast<MemoryQueue*>(queue);
  Play& play = self.play_;
  const auto count = static_cast<uint16_t>(std::min<uint64_t>(wanted, play.left));
  if (count == 0 || rte_pktmbuf_alloc_bulk(self.pool_, mbufs, count) != 0) return 0;
  const FrameDeck& deck = *play.deck;
  for (unsigned i = 0; i < count; ++i) {
    auto* data = rte_pktmbuf_mtod(mbufs[i], uint8_t*);
    const uint8_t* slot = deck.slot(play.next);
    // A deck of a million frames comes from memory; the core's own prefetcher stops at every page.
    rte_prefetch0(slot + kSlotsAhead * deck.slot_bytes());
    const uint16_t data_bytes = deck.data_bytes(play.next);
    // Constant sizes, so that each is a few vector moves.
    if (deck.slot_bytes() == 64)
      std::memcpy(data, slot, 64);
    else
      std::memcpy(data, slot, 128);
    if (self.sink_ && data_bytes > deck.slot_bytes())
      std::memset(data + deck.slot_bytes(), 0, data_bytes - deck.slot_bytes());
    mbufs[i]->data_len = data_bytes;
    mbufs[i]->pkt_len = data_bytes;
    mbufs[i]->port = self.dpdk_port_;
    if (++play.next == deck.size()) play.next = 0;
  }
  play.left -= count;
  return count;
}

uint16_t MemoryQueue::send(void* queue, rte_mbuf** mbufs, uint16_t count) {
  auto& self = *static_cast<MemoryQueue*>(queue);
  if (self.sink_)
    for (unsigned i = 0; i < count; ++i) self.sink_(rte_pktmbuf_mtod(mbufs[i], const uint8_t*), mbufs[i]->data_len);
  rte_pktmbuf_free_bulk(mbufs, count);
  return count;
}

}  // namespace millrace::perf
