// life_bench.cpp: TCP connections from SYN to the end of TIME_WAIT, ten packets over both directions, and the entry's
// end by its timer. `flows` of them live at once, each step in another random order, so that a connection's memory is
// as cold for its next packet as that many connections make it. Making the frames of a step is outside of the timing;
// so is the time that passes in TIME_WAIT. A proxied life is ten packets in and eleven out, four of which the balancer
// says itself; its SYN is sent once more before, unmeasured, so that the cookie, which is the same again, is known.

#include <array>
#include <optional>

#include "dataplane/stages/connection.h"
#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/configuration.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"
#include "perf/micro/proxied_handshake.h"
#include "perf/micro/random_order.h"

namespace millrace::perf {
namespace {

struct Step {
  bool from_client;
  uint8_t tcp_flags;
  std::optional<HandshakeStep> proxied = std::nullopt;
  uint16_t payload_bytes = 0;  // proxied: what the numbers go on by
};
constexpr uint16_t kPayloadBytes = 6;
constexpr size_t kStepCount = 10;
using Life = std::array<Step, kStepCount>;
constexpr Step kRequest{true, kTcpPsh | kTcpAck, std::nullopt, kPayloadBytes};
constexpr Step kResponse{false, kTcpPsh | kTcpAck, std::nullopt, kPayloadBytes};
constexpr Step kClientAck{true, kTcpAck}, kBackendAck{false, kTcpAck};
constexpr Step kClientFin{true, kTcpFin | kTcpAck}, kBackendFin{false, kTcpFin | kTcpAck};
constexpr Life kLife = {{{true, kTcpSyn},
                         {false, kTcpSyn | kTcpAck},
                         kClientAck,
                         kRequest,
                         kBackendAck,
                         kResponse,
                         kClientAck,
                         kClientFin,
                         kBackendFin,
                         kClientAck}};
constexpr Life kProxiedLife = {{{true, kTcpSyn, HandshakeStep::syn},
                                {true, kTcpAck, HandshakeStep::ack},
                                {false, kTcpSyn | kTcpAck, HandshakeStep::syn_ack},
                                kRequest,
                                kBackendAck,
                                kResponse,
                                kClientAck,
                                kClientFin,
                                kBackendFin,
                                kClientAck}};
constexpr size_t kOwnSegments = 1;  // more than came in: one answer to the SYN, one to the ACK, two to the SYN-ACK
constexpr uint32_t kAfterTimeWaitMs = kTimeWaitMs + 3 * TimerWheel::kTickMs;  // the wheel may be that late

class Lives {
 public:
  Lives(Bed& bed, const BedOptions& options)
      : bed_(bed),
        options_(options),
        deck_(options.numbered() ? handshake_deck(bed) : FrameDeck(options.family, options.proto)) {
    deck_.reserve(options.flows);
  }

  bool proxied() const { return options_.mode == Mode::proxy; }
  const Life& steps() const { return proxied() ? kProxiedLife : kLife; }
  bool chooses_backend(const Step& step) const { return &step == &steps()[proxied() ? 1 : 0]; }
  size_t packets_out() const { return kStepCount + (proxied() ? kOwnSegments : 0); }

  // The frames of a step, in an order of its own.
  const FrameDeck& deal(const Step& step) {
    const RandomOrder order(options_.flows, ++seed_);
    deck_.clear();
    for (uint32_t place = 0; place < options_.flows; ++place) deck_.add(frame_of(step, order[place]));
    if (&step == steps().data()) said_ = {};
    const uint32_t length = step.payload_bytes + ((step.tcp_flags & kTcpFin) != 0 ? 1u : 0u);
    (step.from_client ? said_.client_bytes : said_.backend_bytes) += length;
    return deck_;
  }

  // Compares what comes out for a deck of that step.
  void pass(const Step& step, const FrameDeck& deck) {
    if (step.proxied) return pass_handshake(bed_, *step.proxied, deck);
    bed_.pass(deck, 0, chooses_backend(step));
  }

  // What the balancer made of each connection, without looking at packets: as its entries say.
  void learn_from_slab() {
    const Slab& slab = bed_.worker().slab;
    for (uint32_t at = 0; at < slab.capacity(); ++at) {
      const auto index = static_cast<ConnIndex>(raw(slab.first()) + at);
      const ConnEntry& entry = slab[index];
      if (entry.state == ConnState::free) continue;
      const Tuple reply = entry.family == Family::ipv4 ? tuple_of(reverse_key4(entry)) : tuple_of(reverse_key6(entry));
      const Tuple client = client_tuple(entry);
      bed_.translations().learn(client, {reply.dst, reply.src, reply.dst_port, reply.src_port, reply.proto});
      if (!proxied()) continue;
      const Splice& splice = bed_.worker().splice(index);
      bed_.ends().learn_syn(
          bed_.translations().connection_of(client),
          {.seq = splice.backend_acked, .timestamps = true, .ts_value = splice.client_ts + splice.forward_ts_delta});
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
  FrameFields frame_of(const Step& step, uint32_t connection) const {
    if (step.proxied) return handshake_segment(bed_, *step.proxied, connection);
    const Tuple tuple =
        step.from_client ? bed_.plan().from_client(connection) : bed_.translations().from_backend(connection);
    if (!options_.numbered()) return bed_.fields_of(tuple, step.tcp_flags);
    const TcpEnds& ends = bed_.ends();
    const TcpFields tcp = step.from_client ? ends.from_client(connection, said_) : ends.from_backend(connection, said_);
    return bed_.fields_of(tuple, step.tcp_flags, tcp, step.payload_bytes);
  }

  Bed& bed_;
  BedOptions options_;
  FrameDeck deck_;
  Said said_;  // by all alike
  uint32_t seed_ = 0;
};

// All lives once; CPU seconds.
double live(Bed& bed, Lives& lives, Macswap& macswap) {
  MemoryQueue& queue = memory_port().queue(0);
  double seconds = 0;
  for (const Step& step : lives.steps()) {
    const FrameDeck& deck = lives.deal(step);
    if (step.proxied == HandshakeStep::syn) pass_handshake(bed, HandshakeStep::syn, deck);
    queue.play(once(deck));
    // Dealing took no time, or else the balancer would say things again.
    if (lives.proxied()) pass_time(bed.worker(), 0);
    seconds += seconds_of([&] {
      while (worker_turn(bed.worker()) != 0) {
      }
    });
    if (step.proxied == HandshakeStep::syn) forget_syn_answers(bed);
    if (lives.chooses_backend(step)) lives.learn_from_slab();
    macswap.slice();
  }
  queue.play({});
  seconds += seconds_of([&] { lives.expire(); });
  bed.forget_all();
  return seconds;
}

// Once more, with every packet compared.
void check_lives(Bed& bed, Lives& lives) {
  for (const Step& step : lives.steps()) lives.pass(step, lives.deal(step));
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
  const uint64_t untimed = lives.proxied() ? lived : 0;  // SYNs
  if (bed.counted(&WorkerCounters::tx_packets) - sent_before != lived * lives.packets_out() + untimed)
    wrong("packets were lost");
  if (bed.counted(&WorkerCounters::connections_expired) - ended_before != lived) wrong("lives ended otherwise");
  check_lives(bed, lives);
  return report;
}

}  // namespace

void register_life_benches() {
  for (const Mode mode : {Mode::fullnat, Mode::nat, Mode::proxy})
    for (const Family family : {Family::ipv4, Family::ipv6})
      for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576})) {
        // Of what differs least, not the longest; nor what waits for an answer of ours so long that it is said again.
        if (mode == Mode::proxy && flows > 65'536) continue;
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
