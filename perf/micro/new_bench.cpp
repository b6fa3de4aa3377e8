// new_bench.cpp: the first packet of a connection, from the port to the port: backend and source port are chosen,
// entry, both keys and timer made, the packet forwarded. The tables hold `flows` other connections all the while; a
// slice opens some and closes them outside of the timing. Clients come round again only after many slices, so that
// nothing of theirs is in a cache.

#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"

namespace millrace::perf {
namespace {

constexpr uint32_t kNewcomers = 262'144;
constexpr uint32_t kNewcomersSmoke = 2048;
constexpr uint32_t kPerSlice = 1024;  // room of the smallest table

// A slice more, whose packets are compared, and seen to lead to `flows` connections that still are as they were.
void check_slice(Bed& bed, const BedOptions& options) {
  FrameDeck deck(options.family, options.proto);
  for (uint32_t i = 0; i < kPerSlice; ++i) deck.add(bed.fields_of(bed.plan().from_client(options.flows + i), kTcpSyn));
  bed.pass(deck, 0, true);
  bed.close(options.flows, kPerSlice);
  bed.check_traffic();
}

Report run_new(const BedOptions& options) {
  Bed& bed = bed_for(options);
  Worker& worker = bed.worker();
  FrameDeck deck(options.family, options.proto);
  deck.reserve(options.newcomers);
  for (uint32_t i = 0; i < options.newcomers; ++i)
    deck.add(bed.fields_of(bed.plan().from_client(options.flows + i), kTcpSyn));
  Macswap macswap(bed.traffic());
  MemoryQueue& queue = memory_port().queue(0);
  Play play{&deck, 0, 0};
  const uint64_t opened_before = bed.counted(&WorkerCounters::connections_opened);
  uint64_t opened = 0;
  Report report;
  report.bytes_per_connection = bed.bytes_per_connection();
  report.samples = measure(macswap, [&] {
    const auto first = options.flows + static_cast<uint32_t>(play.next);
    play.left = kPerSlice;
    queue.play(play);
    const double seconds = seconds_of([&] {
      while (worker_turn(worker) != 0) {
      }
    });
    play = queue.now_playing();
    bed.close(first, kPerSlice);
    opened += kPerSlice;
    return Slice{seconds, kPerSlice};
  });
  if (bed.counted(&WorkerCounters::connections_opened) - opened_before != opened || worker.slab.used() != options.flows)
    wrong("connections were not opened, or opened twice");
  check_slice(bed, options);
  return report;
}

void add(const BedOptions& wanted) {
  BedOptions options = wanted;
  options.room = usual_room(options.flows);
  options.newcomers = effort() == Effort::smoke ? kNewcomersSmoke : kNewcomers;
  register_path(facts_of("new", options, Unit::connection), [options] { return run_new(options); });
}

}  // namespace

void register_new_benches() {
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576, 4'194'304}))
      add({.mode = Mode::fullnat, .proto = Proto::tcp, .family = family, .flows = flows});
    for (const uint32_t flows : flow_counts({1024, 1'048'576})) {
      add({.mode = Mode::nat, .proto = Proto::tcp, .family = family, .flows = flows});
      add({.mode = Mode::fullnat, .proto = Proto::udp, .family = family, .flows = flows});
    }
  }
}

}  // namespace millrace::perf
