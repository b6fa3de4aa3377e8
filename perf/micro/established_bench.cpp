// established_bench.cpp: the whole worker path, poll to transmit, for packets of open connections in both directions;
// and what the port alone costs: receiving and sending (io), and swapping the MACs in between (macswap).

#include <algorithm>

#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"

namespace millrace::perf {
namespace {

Report run_established(const BedOptions& options) {
  Bed& bed = bed_for(options);
  Macswap macswap(bed.traffic());
  MemoryQueue& queue = memory_port().queue(0);
  queue.play(endless(bed.traffic()));
  // Sequence numbers go back with the deck, so a slice ends with it at the latest.
  const auto turns = static_cast<unsigned>(
      options.numbered() ? std::min<size_t>(kTurnsPerSlice, bed.traffic().size() / kBurstMax) : kTurnsPerSlice);
  Report report;
  report.samples = measure(macswap, [&] {
    if (queue.now_playing().next == 0) bed.rewind();
    return worker_slice(bed.worker(), turns);
  });
  bed.check_traffic();
  return report;
}

// The same frames as an IPv4 UDP bed's, without a worker.
Report run_io(bool swap) {
  FrameDeck deck(Family::ipv4, Proto::udp);
  const FlowPlan plan{Proto::udp, Family::ipv4};
  for (uint32_t i = 0; i < 4096; ++i)
    deck.add({.tuple = plan.from_client(i), .data_bytes = data_bytes_of(Family::ipv4, Proto::udp, 64)});
  Macswap macswap(deck);
  memory_port().queue(0).play(endless(deck));
  Report report;
  report.samples = measure(macswap, [&] {
    Slice slice;
    slice.seconds = seconds_of([&] { slice.units += io_turns(swap); });
    return slice;
  });
  memory_port().queue(0).play({});
  return report;
}

void add(const BedOptions& wanted) {
  BedOptions options = wanted;
  options.room = usual_room(options.flows);
  register_path(facts_of("established", options), [options] { return run_established(options); });
}

}  // namespace

void register_established_benches() {
  register_path({.name = "io", .frame_bytes = 64, .workers = 1}, [] { return run_io(false); });
  register_path({.name = "macswap", .frame_bytes = 64, .workers = 1}, [] { return run_io(true); });
  for (const Mode mode : {Mode::fullnat, Mode::nat})
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      for (const uint32_t flows : flow_counts({1, 1024, 65'536, 1'048'576, 4'194'304}))
        add({.mode = mode, .proto = Proto::udp, .family = family, .flows = flows});
      for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576}))
        add({.mode = mode, .proto = Proto::tcp, .family = family, .flows = flows});
      if (mode == Mode::nat && effort() != Effort::full) continue;
      for (const uint32_t flows : flow_counts({1024, 65'536}))
        for (const uint32_t frame_bytes : {kImix, 1518u})
          add({.mode = mode, .proto = Proto::udp, .family = family, .flows = flows, .frame_bytes = frame_bytes});
    }
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576})) {
      // What a splice adds is to be seen beside fullnat with the same frames; those without options are above.
      add({.mode = Mode::proxy, .proto = Proto::tcp, .family = family, .flows = flows});
      for (const Mode mode : {Mode::fullnat, Mode::proxy})
        add({.mode = mode, .proto = Proto::tcp, .family = family, .flows = flows, .timestamps = true});
    }
  if (effort() == Effort::quick) add({.flows = 1'048'576});
}

}  // namespace millrace::perf
