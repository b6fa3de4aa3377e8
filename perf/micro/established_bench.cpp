// established_bench.cpp: the whole worker path, poll to transmit, for packets of open connections in both directions;
// and what the port alone costs: receiving and sending (io), and swapping the MACs in between (macswap).

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_prefetch.h>

#include <exception>
#include <utility>

#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/results.h"
#include "perf/micro/slice.h"

namespace millrace::perf {
namespace {

constexpr unsigned kTurnsPerSlice = 256;

uint64_t io_turns(bool swap) {
  const uint16_t port = memory_port().dpdk_port();
  uint64_t packets = 0;
  for (unsigned turn = 0; turn < kTurnsPerSlice; ++turn) {
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

uint64_t worker_turns(Worker& worker) {
  uint64_t packets = 0;
  for (unsigned turn = 0; turn < kTurnsPerSlice; ++turn) packets += worker_turn(worker);
  return packets;
}

void run_established(benchmark::State& state, const BedOptions& options) try {
  Bed& bed = bed_for(options);
  memory_port().play(bed.traffic());
  worker_turns(bed.worker());  // warms up
  double seconds = 0, macswap_seconds = 0;
  uint64_t packets = 0, macswap_packets = 0;
  for (auto _ : state) {
    const double slice = seconds_of([&] { packets += worker_turns(bed.worker()); });
    macswap_seconds += seconds_of([&] { macswap_packets += io_turns(true); });
    seconds += slice;
    state.SetIterationTime(slice);
  }
  bed.check_nothing_lost();
  report_packets(state, seconds, packets, macswap_seconds, macswap_packets);
} catch (const std::exception& error) {
  state.SkipWithError(error.what());
}

// The same frames as an IPv4 UDP bed's, without a worker.
void run_io(benchmark::State& state, bool swap) {
  FrameDeck deck(Family::ipv4, Proto::udp, 64);
  for (uint16_t i = 0; i < 4096; ++i)
    deck.add({IpAddr::from_ipv4(Be32::from_host(0xc6120001)), IpAddr::from_ipv4(Be32::from_host(0xcb00710a)),
              Be16::from_host(static_cast<uint16_t>(1024 + i)), Be16::from_host(80), Proto::udp},
             0);
  memory_port().play(deck);
  io_turns(swap);
  double seconds = 0, macswap_seconds = 0;
  uint64_t packets = 0, macswap_packets = 0;
  for (auto _ : state) {
    const double slice = seconds_of([&] { packets += io_turns(swap); });
    macswap_seconds += seconds_of([&] { macswap_packets += io_turns(true); });
    seconds += slice;
    state.SetIterationTime(slice);
  }
  report_packets(state, seconds, packets, macswap_seconds, macswap_packets);
}

}  // namespace

void register_established_benches() {
  register_benchmark({.name = "io", .frame_bytes = 64, .workers = 1}, Timing::by_itself,
                     [](auto& state) { run_io(state, false); });
  register_benchmark({.name = "macswap", .frame_bytes = 64, .workers = 1}, Timing::by_itself,
                     [](auto& state) { run_io(state, true); });
  for (const Mode mode : {Mode::fullnat, Mode::nat})
    for (const Proto proto : {Proto::udp, Proto::tcp})
      for (const Family family : {Family::ipv4, Family::ipv6})
        for (const uint32_t flows : {1u, 1024u, 65536u}) {
          const BedOptions options{.mode = mode, .proto = proto, .family = family, .flows = flows, .frame_bytes = 64};
          const Facts facts{.name = "established",
                            .mode = mode == Mode::nat ? "nat" : "fullnat",
                            .proto = proto == Proto::tcp ? "tcp" : "udp",
                            .family = family == Family::ipv4 ? "ipv4" : "ipv6",
                            .flows = flows,
                            .frame_bytes = FrameDeck(family, proto, options.frame_bytes).frame_bytes(),
                            .workers = 1};
          register_benchmark(facts, Timing::by_itself, [options](auto& state) { run_established(state, options); });
        }
}

}  // namespace millrace::perf
