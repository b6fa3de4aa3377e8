// expiry_bench.cpp: connections that nobody uses any more end by the timer wheel. Their last packets came in random
// order over half a minute, so that the wheel finds them in an order that has nothing to do with where they lie.

#include "dataplane/conn/timer_wheel.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"

namespace millrace::perf {
namespace {

// From opening, in seconds: 5 to 37 last packets; 60 to 61 the timers of opening find them alive; 65 to 97 they end.
constexpr uint32_t kIdleMs = 60'000;
constexpr uint32_t kUntilPacketsMs = 5'000;
constexpr unsigned kPacketSteps = 64;
constexpr uint32_t kPacketStepMs = 500;
constexpr uint32_t kUntilFoundAliveMs = 26'000;
constexpr uint32_t kUntilAllEndMs = 40'000;

void turn_in_new_ms(Worker& worker) {
  pass_time(worker, 0);  // housekeeping is once a millisecond
  worker_turn(worker);
}

void send_last_packets(Bed& bed) {
  Play play = endless(bed.traffic());
  pass_time(bed.worker(), kUntilPacketsMs);
  for (unsigned step = 0; step < kPacketSteps; ++step) {
    play.left = bed.traffic().size() / kPacketSteps;
    memory_port().queue(0).play(play);
    while (worker_turn(bed.worker()) != 0) {
    }
    play = memory_port().queue(0).now_playing();
    pass_time(bed.worker(), kPacketStepMs);
  }
}

// The wheel re-checks those that had packets since they were armed, and puts them where they are due.
void find_alive(Bed& bed) {
  pass_time(bed.worker(), kUntilFoundAliveMs);
  for (uint64_t behind_before = UINT64_MAX; behind_before != bed.counted(&WorkerCounters::timer_behind);) {
    behind_before = bed.counted(&WorkerCounters::timer_behind);
    turn_in_new_ms(bed.worker());
  }
}

double expire_all(Bed& bed, uint32_t flows) {
  Worker& worker = bed.worker();
  pass_time(worker, kUntilAllEndMs);
  const double seconds = seconds_of([&] {
    for (uint32_t turn = 0; worker.slab.used() != 0 && turn < 2 * flows + 100; ++turn) turn_in_new_ms(worker);
  });
  if (worker.slab.used() != 0) wrong(std::to_string(worker.slab.used()) + " connections do not end");
  return seconds;
}

Report run_expiry(const BedOptions& options) {
  Bed& bed = bed_for(options);
  FrameDeck pace(options.family, options.proto);
  for (uint32_t i = 0; i < 4096; ++i) pace.add(bed.fields_of(bed.plan().from_client(i % options.flows), 0));
  Macswap macswap(pace);
  uint64_t ended = 0;
  Report report;
  report.samples = measure(macswap, [&] {
    bed.open_all();
    send_last_packets(bed);
    find_alive(bed);
    if (bed.worker().slab.used() != options.flows) wrong("connections ended that had packets");
    for (unsigned i = 0; i < 8; ++i) macswap.slice();
    const double seconds = expire_all(bed, options.flows);
    bed.forget_all();
    ended += options.flows;
    return Slice{seconds, options.flows};
  });
  if (bed.counted(&WorkerCounters::connections_expired) != ended) wrong("connections ended otherwise than by expiring");
  bed.check_nothing_lost();
  return report;
}

}  // namespace

void register_expiry_benches() {
  const auto flow_count = effort() == Effort::smoke ? 1024u : effort() == Effort::quick ? 65'536u : 1'048'576u;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const BedOptions options{.mode = Mode::fullnat,
                             .proto = Proto::udp,
                             .family = family,
                             .flows = flow_count,
                             .opened = false,
                             .room = usual_room(flow_count),
                             .idle_timeout_ms = kIdleMs};
    register_path(facts_of("expiry", options, Unit::connection), [options] { return run_expiry(options); });
  }
}

}  // namespace millrace::perf
