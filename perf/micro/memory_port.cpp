#include "perf/micro/memory_port.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace millrace::perf {

MemoryPort::MemoryPort(const char* device, rte_mempool* pool) : pool_(pool) {
  const rte_eth_conf conf{};
  if (rte_eth_dev_get_port_by_name(device, &dpdk_port_) != 0 || rte_eth_dev_configure(dpdk_port_, 1, 1, &conf) != 0 ||
      rte_eth_rx_queue_setup(dpdk_port_, 0, 512, SOCKET_ID_ANY, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(dpdk_port_, 0, 512, SOCKET_ID_ANY, nullptr) != 0 || rte_eth_dev_start(dpdk_port_) != 0)
    throw std::runtime_error(std::string("DPDK device ") + device + " does not start");
  struct rte_eth_fp_ops& ops = rte_eth_fp_ops[dpdk_port_];
  ops.rx_pkt_burst = receive;
  ops.rxq.data = queue_data_;
  ops.tx_pkt_burst = send;
  ops.txq.data = queue_data_;
}

MemoryPort::~MemoryPort() {
  rte_eth_dev_stop(dpdk_port_);  // puts ethdev's own functions back
  rte_eth_dev_close(dpdk_port_);
}

void MemoryPort::play(const FrameDeck& deck) {
  deck_ = &deck;
  next_ = 0;
  left_ = UINT64_MAX;
  catching_ = false;
}

void MemoryPort::play_once(const FrameDeck& deck) {
  play(deck);
  left_ = deck.size();
  catching_ = true;
  caught_.clear();
}

uint16_t MemoryPort::receive(void* queue, rte_mbuf** mbufs, uint16_t wanted) {
  auto& port = *static_cast<MemoryPort*>(queue);
  const auto count = static_cast<uint16_t>(std::min<uint64_t>(wanted, port.left_));
  if (count == 0 || rte_pktmbuf_alloc_bulk(port.pool_, mbufs, count) != 0) return 0;
  const FrameDeck& deck = *port.deck_;
  const uint16_t data_bytes = deck.data_bytes();
  for (unsigned i = 0; i < count; ++i) {
    auto* data = rte_pktmbuf_mtod(mbufs[i], uint8_t*);
    const uint8_t* slot = deck.slot(port.next_);
    // Constant sizes, so that each is a few vector moves.
    if (deck.slot_bytes() == 64)
      std::memcpy(data, slot, 64);
    else
      std::memcpy(data, slot, 128);
    if (port.catching_ && data_bytes > deck.slot_bytes())
      std::memset(data + deck.slot_bytes(), 0, data_bytes - deck.slot_bytes());
    mbufs[i]->data_len = data_bytes;
    mbufs[i]->pkt_len = data_bytes;
    mbufs[i]->port = port.dpdk_port_;
    if (++port.next_ == deck.size()) port.next_ = 0;
  }
  port.left_ -= count;
  return count;
}

uint16_t MemoryPort::send(void* queue, rte_mbuf** mbufs, uint16_t count) {
  auto& port = *static_cast<MemoryPort*>(queue);
  if (port.catching_)
    for (unsigned i = 0; i < count; ++i) {
      const auto* data = rte_pktmbuf_mtod(mbufs[i], const uint8_t*);
      port.caught_.emplace_back(data, data + mbufs[i]->data_len);
    }
  rte_pktmbuf_free_bulk(mbufs, count);
  return count;
}

}  // namespace millrace::perf
