#include "perf/micro/newcomers.h"

namespace millrace::perf {

Report play_flood(Bed& bed, const FrameDeck& deck, const FrameDeck& compared,
                  const std::function<void(uint64_t)>& check) {
  Macswap macswap(compared);
  memory_port().queue(0).play(endless(deck));
  uint64_t packets = 0;
  Report report;
  report.samples = measure(macswap, [&] {
    const Slice slice = worker_slice(bed.worker());
    packets += slice.units;
    return slice;
  });
  memory_port().queue(0).play({});
  check(packets);
  return report;
}

Report play_openings(Bed& bed, const BedOptions& options, const FrameDeck& deck,
                     const std::function<void(bool)>& before_slice) {
  Macswap macswap(bed.traffic());
  MemoryQueue& queue = memory_port().queue(0);
  Play play{&deck, 0, 0};
  const uint64_t opened_before = bed.counted(&WorkerCounters::connections_opened);
  uint64_t opened = 0;
  Report report;
  report.bytes_per_connection = bed.bytes_per_connection();
  report.samples = measure(macswap, [&] {
    if (before_slice) before_slice(play.next == 0 && opened != 0);
    const auto first = options.flows + static_cast<uint32_t>(play.next);
    play.left = kNewcomersPerSlice;
    queue.play(play);
    const double seconds = seconds_of([&] {
      while (worker_turn(bed.worker()) != 0) {
      }
    });
    play = queue.now_playing();
    bed.close(first, kNewcomersPerSlice);
    opened += kNewcomersPerSlice;
    return Slice{seconds, kNewcomersPerSlice};
  });
  if (bed.counted(&WorkerCounters::connections_opened) - opened_before != opened ||
      bed.worker().slab.used() != options.flows)
    wrong("connections were not opened, or opened twice");
  return report;
}

}  // namespace millrace::perf
