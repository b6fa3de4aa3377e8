// handover_bench.cpp: packets that arrive at the wrong worker: looked up in vain, handed over by a ring, received and
// forwarded by their owner. Both workers take turns in one thread, so that the work is measured and not the way between
// two cores. The figure is the whole way; what established costs is in it.

#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"

namespace millrace::perf {
namespace {

Report run_handover(const BedOptions& options) {
  Bed& bed = bed_for(options);
  Macswap macswap(bed.traffic());
  memory_port().queue(0).play(endless(bed.traffic()));
  memory_port().queue(1).play({});
  const uint64_t handed_before = bed.counted(&WorkerCounters::handed_in);
  uint64_t packets = 0;
  Report report;
  report.samples = measure(macswap, [&] {
    Slice slice;
    slice.seconds = seconds_of([&] {
      for (unsigned turn = 0; turn < kTurnsPerSlice; ++turn) {
        worker_turn(bed.worker(0));
        slice.units += worker_turn(bed.worker(1));
      }
    });
    packets += slice.units;
    return slice;
  });
  if (bed.counted(&WorkerCounters::handed_in) - handed_before != packets) wrong("packets did not come by the ring");
  bed.check_traffic();
  return report;
}

}  // namespace

void register_handover_benches() {
  for (const Mode mode : {Mode::fullnat, Mode::nat})
    for (const Family family : {Family::ipv4, Family::ipv6})
      for (const uint32_t flows : flow_counts({1024, 65'536})) {
        const BedOptions options{.mode = mode,
                                 .proto = Proto::udp,
                                 .family = family,
                                 .flows = flows,
                                 .workers = 2,
                                 .last_owns_all = true,
                                 .room = usual_room(flows)};
        register_path(facts_of("handover", options), [options] { return run_handover(options); });
      }
}

}  // namespace millrace::perf
