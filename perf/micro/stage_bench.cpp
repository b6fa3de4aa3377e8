// stage_bench.cpp: each stage's share of the worker path, for full bursts of open connections.
// All stages run; the TSC is read before and after the one in question, fenced, which costs it some 60 cycles a burst:
// below 0.5 ns a packet. Of every 256 bursts the median counts: a burst during which another process got the CPU is
// thousands of times as long. Fences keep stages from overlapping, so that their sum is more than the whole path.

#include <rte_cycles.h>

#include <algorithm>
#include <array>
#include <exception>
#include <stdexcept>

#include "dataplane/stages/stages.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

enum class Stage : uint8_t { poll, parse, lookup, act, rewrite, transmit };
constexpr const char* kStageNames[] = {"poll", "parse", "lookup", "act", "rewrite", "transmit"};
constexpr unsigned kBurstsPerIteration = 256;

void run_stage_of(Stage stage, Worker& worker) {
  switch (stage) {
    case Stage::poll:
      poll_burst(worker, worker.burst);
      return;
    case Stage::parse:
      return parse_burst(worker, worker.burst);
    case Stage::lookup:
      return lookup_burst(worker, worker.burst);
    case Stage::act:
      return act_burst(worker, worker.burst);
    case Stage::rewrite:
      return rewrite_burst(worker, worker.burst);
    case Stage::transmit:
      return transmit_burst(worker);
  }
}

uint64_t cycles_of_burst(Stage wanted, Worker& worker) {
  uint64_t cycles = 0;
  for (const Stage stage : {Stage::poll, Stage::parse, Stage::lookup, Stage::act, Stage::rewrite, Stage::transmit}) {
    if (stage != wanted) {
      run_stage_of(stage, worker);
      continue;
    }
    const uint64_t begin = rte_rdtsc_precise();
    run_stage_of(stage, worker);
    cycles = rte_rdtsc_precise() - begin;
  }
  return cycles;
}

void run_stage(benchmark::State& state, Stage stage, const BedOptions& options) try {
  Bed& bed = bed_for(options);
  memory_port().play(bed.traffic());
  worker_turn(bed.worker());
  uint64_t cycles = 0, packets = 0;
  for (auto _ : state) {
    std::array<uint64_t, kBurstsPerIteration> bursts;
    for (uint64_t& burst : bursts) {
      burst = cycles_of_burst(stage, bed.worker());
      if (bed.worker().burst.count != kBurstMax) throw std::runtime_error("a burst was not full");
    }
    std::nth_element(bursts.begin(), bursts.begin() + kBurstsPerIteration / 2, bursts.end());
    const uint64_t median = bursts[kBurstsPerIteration / 2];
    cycles += median;
    packets += kBurstMax;
    state.SetIterationTime(static_cast<double>(median * kBurstsPerIteration) / static_cast<double>(rte_get_tsc_hz()));
  }
  bed.check_nothing_lost();
  report_packets(state, static_cast<double>(cycles) / static_cast<double>(rte_get_tsc_hz()), packets, 0, 0);
} catch (const std::exception& error) {
  state.SkipWithError(error.what());
}

}  // namespace

void register_stage_benches() {
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const uint32_t flows : {1024u, 65536u})
      for (unsigned i = 0; i < std::size(kStageNames); ++i) {
        const BedOptions options{.mode = Mode::fullnat, .proto = Proto::udp, .family = family, .flows = flows};
        const Facts facts{.name = std::string("stage_") + kStageNames[i],
                          .mode = "fullnat",
                          .proto = "udp",
                          .family = family == Family::ipv4 ? "ipv4" : "ipv6",
                          .flows = flows,
                          .frame_bytes = FrameDeck(family, Proto::udp, 64).frame_bytes(),
                          .workers = 1};
        register_benchmark(facts, Timing::by_itself,
                           [options, i](auto& state) { run_stage(state, static_cast<Stage>(i), options); });
      }
}

}  // namespace millrace::perf
