// memory_port.h: an ethdev port whose packets come from decks in memory and go nowhere.
// It is DPDK's net_null with other burst functions: receiving takes mbufs from a pool and writes a frame's headers
// into each, as a NIC's DMA would; sending frees them. So it costs what net_null costs, and one copy of 64 or 128 B.
// Thread: a queue's functions are its worker's; the rest while no worker runs.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "perf/micro/frame_deck.h"

namespace millrace::perf {

// Where a queue is in which deck.
struct Play {
  const FrameDeck* deck = nullptr;
  size_t next = 0;
  uint64_t left = 0;  // frames until it is silent
};
inline Play endless(const FrameDeck& deck) { return {&deck, 0, UINT64_MAX}; }
inline Play once(const FrameDeck& deck) { return {&deck, 0, deck.size()}; }

class alignas(128) MemoryQueue {  // two workers write two queues: no line, nor its neighbour, is both's
 public:
  // Sees a frame as it was sent, without FCS.
  using Sink = std::function<void(const uint8_t* frame, uint16_t data_bytes)>;

  MemoryQueue(uint16_t dpdk_port, rte_mempool* pool) : dpdk_port_(dpdk_port), pool_(pool) {}

  void play(const Play& play) { play_ = play; }
  const Play& now_playing() const { return play_; }
  // While there is a sink, frames are played whole: their zeroes are written, too.
  void set_sink(Sink sink) { sink_ = std::move(sink); }

  static uint16_t receive(void* queue, rte_mbuf** mbufs, uint16_t wanted);
  static uint16_t send(void* queue, rte_mbuf** mbufs, uint16_t count);

 private:
  uint16_t dpdk_port_;
  rte_mempool* pool_;
  Play play_;
  Sink sink_;
};

class MemoryPort {
 public:
  // `device`: a net_null vdev that the EAL knows; a queue pair for each pool. Throws std::runtime_error.
  MemoryPort(const char* device, const std::vector<rte_mempool*>& pools);
  ~MemoryPort();
  MemoryPort(const MemoryPort&) = delete;
  MemoryPort& operator=(const MemoryPort&) = delete;

  uint16_t dpdk_port() const { return dpdk_port_; }
  uint16_t queue_count() const { return static_cast<uint16_t>(queues_.size()); }
  MemoryQueue& queue(unsigned number) { return queues_[number]; }

 private:
  uint16_t dpdk_port_ = 0;
  std::vector<MemoryQueue> queues_;
  std::vector<void*> queue_data_;  // stands where ethdev keeps its queue pointers
};

}  // namespace millrace::perf
