#include "perf/micro/measure.h"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_prefetch.h>

#include <utility>

#include "millrace/limits.h"
#include "perf/micro/bed.h"

namespace millrace::perf {

unsigned repetitions() { return effort() == Effort::full ? 9 : effort() == Effort::quick ? 5 : 1; }
double seconds_per_repetition() { return effort() == Effort::full ? 0.1 : effort() == Effort::quick ? 0.01 : 0; }

std::vector<uint32_t> flow_counts(std::initializer_list<uint32_t> wanted) {
  const uint32_t most = effort() == Effort::full ? UINT32_MAX : effort() == Effort::quick ? 65'536 : 1024;
  std::vector<uint32_t> counts;
  for (const uint32_t count : wanted)
    if (count <= most) counts.push_back(count);
  return counts;
}

uint64_t io_turns(bool swap, unsigned turns) {
  const uint16_t port = memory_port().dpdk_port();
  uint64_t packets = 0;
  for (unsigned turn = 0; turn < turns; ++turn) {
    rte_mbuf* mbufs[kBurstMax];
    const uint16_t count = rte_eth_rx_burst(port, 0, mbufs, kBurstMax);
    for (unsigned i = 0; swap && i < count; ++i) {
      if (i + 1 < count) rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + 1], void*));
      auto* ether = rte_pktmbuf_mtod(mbufs[i], rte_ether_hdr*);
      std::swap(ether->src_addr, ether->dst_addr);
    }
    packets += rte_eth_tx_burst(port, 0, mbufs, count);
  }
  return packets;
}

Slice worker_slice(Worker& worker, unsigned turns) {
  Slice slice;
  slice.seconds = seconds_of([&] {
    for (unsigned turn = 0; turn < turns; ++turn) slice.units += worker_turn(worker);
  });
  return slice;
}

Macswap::Macswap(const FrameDeck& deck) : play_(endless(deck)) {}

void Macswap::slice() {
  MemoryQueue& queue = memory_port().queue(0);
  const Play before = queue.now_playing();
  queue.play(play_);
  io_turns(true, 8);  // the path's last frames leave the cache
  seconds_ += seconds_of([&] { packets_ += io_turns(true); });
  play_ = queue.now_playing();
  queue.play(before);
}

double Macswap::take_ns() {
  const double ns = seconds_ * 1e9 / static_cast<double>(packets_);
  seconds_ = 0;
  packets_ = 0;
  return ns;
}

}  // namespace millrace::perf
