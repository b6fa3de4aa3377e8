// memory_port.h: an ethdev port whose packets come from a deck in memory and go nowhere.
// It is DPDK's net_null with other burst functions: receiving takes mbufs from the pool and writes a frame's headers
// into each, as a NIC's DMA would; sending frees them. So it costs what net_null costs, and one copy of 64 or 128 B.
// Thread: the one that polls.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <vector>

#include "perf/micro/frame_deck.h"

namespace millrace::perf {

class MemoryPort {
 public:
  // `device`: a net_null vdev that the EAL knows. Throws std::runtime_error.
  MemoryPort(const char* device, rte_mempool* pool);
  ~MemoryPort();
  MemoryPort(const MemoryPort&) = delete;
  MemoryPort& operator=(const MemoryPort&) = delete;

  uint16_t dpdk_port() const { return dpdk_port_; }

  // Deals the deck from its start, over and over, without end.
  void play(const FrameDeck& deck);
  // Deals the deck once, whole frames; what is sent meanwhile is kept for caught().
  void play_once(const FrameDeck& deck);
  const std::vector<std::vector<uint8_t>>& caught() const { return caught_; }

 private:
  static uint16_t receive(void* queue, rte_mbuf** mbufs, uint16_t wanted);
  static uint16_t send(void* queue, rte_mbuf** mbufs, uint16_t count);

  uint16_t dpdk_port_ = 0;
  rte_mempool* pool_;
  void* queue_data_[1] = {this};  // stands where ethdev keeps its queue pointers
  const FrameDeck* deck_ = nullptr;
  size_t next_ = 0;
  uint64_t left_ = 0;
  bool catching_ = false;
  std::vector<std::vector<uint8_t>> caught_;
};

}  // namespace millrace::perf
