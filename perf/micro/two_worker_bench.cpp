// two_worker_bench.cpp: established traffic on two workers at once, each pinned to its core with its own queue, pool,
// slab share and tables, in turns with one of them alone. The result is ns of both together a packet, and how many
// times as fast that is ("scaling"). Times are each thread's own CPU time: a core that another process takes meanwhile
// costs nothing here, but does not disturb the other worker either; on a busy machine the figure flatters.

#include <rte_launch.h>
#include <rte_lcore.h>

#include <array>
#include <atomic>

#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"

namespace millrace::perf {
namespace {

// One slice of one worker, begun together with the others.
struct Runner {
  Worker* worker = nullptr;
  std::atomic<unsigned>* awaited = nullptr;
  Slice slice;

  static int run(void* argument) {
    auto& self = *static_cast<Runner*>(argument);
    self.awaited->fetch_sub(1, std::memory_order_acq_rel);
    while (self.awaited->load(std::memory_order_acquire) != 0) rte_pause();
    self.slice = worker_slice(*self.worker);
    return 0;
  }
};

double packets_per_second(const Slice& slice) { return static_cast<double>(slice.units) / slice.seconds; }

Report run_two_workers(const BedOptions& options) {
  const unsigned other = rte_get_next_lcore(-1, 1, 0);
  if (other >= RTE_MAX_LCORE) throw Skipped{"a second CPU is wanted"};
  Bed& bed = bed_for(options);
  for (unsigned w = 0; w < 2; ++w) memory_port().queue(w).play(endless(bed.traffic(w)));
  std::atomic<unsigned> awaited{0};
  std::array<Runner, 2> runners;
  for (unsigned w = 0; w < 2; ++w) {
    runners[w].worker = &bed.worker(w);
    runners[w].awaited = &awaited;
  }
  Macswap macswap(bed.traffic());
  std::vector<double> scaling, alone;
  Report report;
  report.samples = measure(macswap, [&] {
    awaited.store(1, std::memory_order_relaxed);
    Runner::run(&runners[0]);
    alone.push_back(packets_per_second(runners[0].slice));
    awaited.store(2, std::memory_order_release);
    if (rte_eal_remote_launch(Runner::run, &runners[1], other) != 0) throw std::runtime_error("a worker is busy");
    Runner::run(&runners[0]);
    rte_eal_wait_lcore(other);
    // As long as both together took for their packets.
    const double together = packets_per_second(runners[0].slice) + packets_per_second(runners[1].slice);
    scaling.push_back(together / alone.back());
    const uint64_t packets = runners[0].slice.units + runners[1].slice.units;
    return Slice{static_cast<double>(packets) / together, packets};
  });
  bed.check_traffic();
  report.extras = {{"scaling", median(scaling)}, {"ns_per_packet_alone", 1e9 / median(alone)}};
  return report;
}

void add(Mode mode, Family family, uint32_t flows) {
  const BedOptions options{
      .mode = mode, .proto = Proto::udp, .family = family, .flows = flows, .workers = 2, .room = usual_room(flows)};
  register_path(facts_of("established", options), [options] { return run_two_workers(options); });
}

}  // namespace

void register_two_worker_benches() {
  for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576})) {
    add(Mode::fullnat, Family::ipv4, flows);
    add(Mode::fullnat, Family::ipv6, flows);
  }
  for (const uint32_t flows : flow_counts({1024, 65'536})) add(Mode::nat, Family::ipv4, flows);
}

}  // namespace millrace::perf
