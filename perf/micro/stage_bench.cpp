// stage_bench.cpp: each stage's share of the worker path, for full bursts of open connections.
// All stages run; the TSC is read before and after the one in question, fenced, which costs it some 60 cycles a burst:
// below 0.5 ns a packet. Of every 256 bursts the median counts: a burst during which another process got the CPU is
// thousands of times as long. Fences keep stages from overlapping, so that their sum is more than the whole path.

#include <rte_cycles.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "dataplane/stages/stages.h"
#include "millrace/stage.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"

namespace millrace::perf {
namespace {

// Those that a packet passes; Stage::house is none of them.
constexpr Stage kPacketStages[] = {Stage::poll, Stage::parse,   Stage::lookup,
                                   Stage::act,  Stage::rewrite, Stage::transmit};
constexpr unsigned kBurstsPerSlice = 256;

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
    case Stage::house:
      return;
  }
}

uint64_t cycles_of_burst(Stage wanted, Worker& worker) {
  uint64_t cycles = 0;
  for (const Stage stage : kPacketStages) {
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

Report run_stage(Stage stage, const BedOptions& options) {
  Bed& bed = bed_for(options);
  Macswap macswap(bed.traffic());
  memory_port().queue(0).play(endless(bed.traffic()));
  worker_turn(bed.worker());
  Report report;
  const auto slice = [&] {
    std::array<uint64_t, kBurstsPerSlice> bursts;
    for (uint64_t& burst : bursts) {
      burst = cycles_of_burst(stage, bed.worker());
      if (bed.worker().burst.count != kBurstMax) throw std::runtime_error("a burst was not full");
    }
    std::nth_element(bursts.begin(), bursts.begin() + kBurstsPerSlice / 2, bursts.end());
    const auto cycles = static_cast<double>(bursts[kBurstsPerSlice / 2] * kBurstsPerSlice);
    return Slice{cycles / static_cast<double>(rte_get_tsc_hz()), kBurstsPerSlice * kBurstMax};
  };
  report.samples = measure(macswap, slice, seconds_per_repetition() / std::size(kPacketStages));
  // A share of the path with fences around it: nothing to hold against another run.
  for (Sample& sample : report.samples) sample.ratio = 0;
  bed.check_nothing_lost();
  return report;
}

}  // namespace

void register_stage_benches() {
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const uint32_t flows : flow_counts({1024, 65'536}))
      for (const Stage stage : kPacketStages) {
        const BedOptions options{.family = family, .flows = flows, .room = usual_room(flows)};
        const std::string name = "stage_" + std::string(kStageNames[static_cast<unsigned>(stage)]);
        register_path(facts_of(name.c_str(), options), [=] { return run_stage(stage, options); });
      }
}

}  // namespace millrace::perf
