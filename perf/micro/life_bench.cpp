// life_bench.cpp: TCP connections from SYN to the end of TIME_WAIT, ten packets over both directions, and the entry's
// end by its timer. `flows` of them live at once, each step in another random order, so that a connection's memory is
// as cold for its next packet as that many connections make it. Making the frames of a step is outside of the timing;
// so is the time that passes in TIME_WAIT.

#include <array>

#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/configuration.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"
#include "perf/micro/random_order.h"

namespace millrace::perf {
namespace {

struct Step {
  bool from_client;
  uint8_t tcp_flags;
};
constexpr std::array<Step, 10> kLife = {{
    {true, kTcpSyn},
    {false, kTcpSyn | kTcpAck},
    {true, kTcpAck},
    {true, kTcpPsh | kTcpAck},  // request
    {false, kTcpAck},
    {false, kTcpPsh | kTcpAck},  // response
    {true, kTcpAck},
    {true, kTcpFin | kTcpAck},
    {false, kTcpFin | kTcpAck},
    {true, kTcpAck},
}};
constexpr uint32_t kAfterTimeWaitMs = kTimeWaitMs + 3 * TimerWheel::kTickMs;  // the wheel may be that late

class Lives {
 public:
  Lives(Bed& bed, const BedOptions& options) : bed_(bed), options_(options), deck_(options.family, options.proto) {
    deck_.reserve(options.flows);
  }

  // The frames of a step, in an order of its own.
  const FrameDeck& deal(const Step& step) {
    const RandomOrder order(options_.flows, ++seed_);
    deck_.clear();
    for (uint32_t place = 0; place < options_.flows; ++place) {
      const uint32_t i = order[place];
      const Tuple tuple = step.from_client ? bed_.plan().from_client(i) : bed_.translations().from_backend(i);
      deck_.add(bed_.fields_of(tuple, step.tcp_flags));
    }
    return deck_;
  }

  // What the balancer made of each SYN, without looking at packets: as its entries say.
  void learn_from_slab() {
    const Slab& slab = bed_.worker().slab;
    for (uint32_t at = 0; at < slab.capacity(); ++at) {
      const ConnEntry& entry = slab[static_cast<ConnIndex>(raw(slab.first()) + at)];
      if (entry.state == ConnState::free) continue;
      const bool ipv4 = entry.family == Family::ipv4;
      const auto address = [&](Be32 in4, const std::array<uint8_t, 16>& in6) {
        return ipv4 ? IpAddr::from_ipv4(in4) : IpAddr{in6};
      };
      bed_.translations().learn({address(entry.client4, entry.client6), address(entry.vip4, entry.vip6),
                                 entry.client_port, entry.vip_port, entry.proto},
                                {address(entry.snat4, entry.snat6), address(entry.backend4, entry.backend6),
                                 entry.snat_port, entry.backend_port, entry.proto});
    }
  }

  // Lets TIME_WAIT pass for all, and the timer end them.
  void expire() {
    Worker& worker = bed_.worker();
    pass_time(worker, kAfterTimeWaitMs);
    const unsigned turns_max = 2 * options_.flows + 100;
    for (unsigned turn = 0; worker.slab.used() != 0; ++turn) {
      if (turn == turns_max) wrong(std::to_string(worker.slab.used()) + " connections do not end");
      pass_time(worker, 0);  // housekeeping is once a millisecond
      worker_turn(worker);
    }
  }

 private:
  Bed& bed_;
  BedOptions options_;
  FrameDeck deck_;
  uint32_t seed_ = 0;
};

// All lives once; CPU seconds.
double live(Bed& bed, Lives& lives, Macswap& macswap) {
  MemoryQueue& queue = memory_port().queue(0);
  double seconds = 0;
  for (const Step& step : kLife) {
    queue.play(once(lives.deal(step)));
    seconds += seconds_of([&] {
      while (worker_turn(bed.worker()) != 0) {
      }
    });
    if (&step == kLife.data()) lives.learn_from_slab();
    macswap.slice();
  }
  queue.play({});
  seconds += seconds_of([&] { lives.expire(); });
  bed.forget_all();
  return seconds;
}

// Once more, with every packet compared.
void check_lives(Bed& bed, Lives& lives) {
  for (const Step& step : kLife) bed.pass(lives.deal(step), 0, &step == kLife.data());
  lives.expire();
  bed.forget_all();
  bed.check_nothing_lost();
}

Report run_life(const BedOptions& options) {
  Bed& bed = bed_for(options);
  Lives lives(bed, options);
  FrameDeck pace(options.family, options.proto);
  for (uint32_t i = 0; i < 4096; ++i) pace.add(bed.fields_of(bed.plan().from_client(i % options.flows), kTcpAck));
  Macswap macswap(pace);
  check_lives(bed, lives);
  const uint64_t sent_before = bed.counted(&WorkerCounters::tx_packets);
  const uint64_t ended_before = bed.counted(&WorkerCounters::connections_expired);
  uint64_t lived = 0;
  Report report;
  report.bytes_per_connection = bed.bytes_per_connection();
  report.samples = measure(macswap, [&] {
    lived += options.flows;
    return Slice{live(bed, lives, macswap), options.flows};
  });
  if (bed.counted(&WorkerCounters::tx_packets) - sent_before != lived * kLife.size()) wrong("packets were lost");
  if (bed.counted(&WorkerCounters::connections_expired) - ended_before != lived) wrong("lives ended otherwise");
  check_lives(bed, lives);
  return report;
}

}  // namespace

void register_life_benches() {
  for (const Mode mode : {Mode::fullnat, Mode::nat})
    for (const Family family : {Family::ipv4, Family::ipv6})
      for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576})) {
        // Of what differs least, not the longest.
        if (mode == Mode::nat && flows > (effort() == Effort::full ? 65'536 : 1024)) continue;
        const BedOptions options{.mode = mode,
                                 .proto = Proto::tcp,
                                 .family = family,
                                 .flows = flows,
                                 .opened = false,
                                 .room = usual_room(flows)};
        register_path(facts_of("life", options, Unit::connection), [options] { return run_life(options); });
      }
}

}  // namespace millrace::perf
