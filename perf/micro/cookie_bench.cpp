// cookie_bench.cpp: a client's way into a proxied service. cookie_syn: a SYN from the port to its answer on the port.
// cookie_ack: the ACK that brings a cookie back, until our SYN to a backend has left: cookie read, entry, backend and
// source port, both keys, timer, segment. cookie_reject: an ACK whose cookie is wrong; it carries no data, so that it
// could also be a window probe and is tried as one. The tables hold `flows` proxied connections all the while.

#include <rte_ring_elem.h>

#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/newcomers.h"
#include "perf/micro/proxied_handshake.h"

namespace millrace::perf {
namespace {

constexpr uint32_t kClients = 65'536;

struct Clients {
  uint32_t first;
  uint32_t count;
};

FrameDeck deck_of(Bed& bed, HandshakeStep step, const Clients& clients) {
  FrameDeck deck = handshake_deck(bed);
  deck.reserve(clients.count);
  for (uint32_t i = clients.first; i < clients.first + clients.count; ++i) deck.add(handshake_segment(bed, step, i));
  return deck;
}

// From SYN to our SYN, every frame compared: their cookies are good.
void check_handshakes(Bed& bed, const Clients& clients) {
  for (const HandshakeStep step : {HandshakeStep::syn, HandshakeStep::ack})
    pass_handshake(bed, step, deck_of(bed, step, clients));
  bed.close(clients.first, clients.count);
}

Report run_syn(const BedOptions& options) {
  Bed& bed = bed_for(options);
  const Clients clients{options.flows, options.newcomers};
  const FrameDeck deck = deck_of(bed, HandshakeStep::syn, clients);
  pass_handshake(bed, HandshakeStep::syn, deck);
  const uint64_t answered_before = bed.counted(&WorkerCounters::cookies_sent);
  const uint64_t sent_before = bed.counted(&WorkerCounters::tx_packets);
  const uint64_t made_before = bed.counted(&WorkerCounters::originated);
  const unsigned notes_before = rte_ring_count(bed.state().notes[0]);
  Report report = play_flood(bed, deck, deck, [&](uint64_t packets) {
    const uint64_t repeated = bed.counted(&WorkerCounters::originated) - made_before;  // if others had our CPU
    if (bed.counted(&WorkerCounters::cookies_sent) - answered_before != packets ||
        bed.counted(&WorkerCounters::tx_packets) - sent_before != packets + repeated)
      wrong("a SYN was not answered");
    // A timer is an entry's.
    if (bed.worker().slab.used() != options.flows || rte_ring_count(bed.state().notes[0]) != notes_before)
      wrong("a SYN was remembered");
  });
  forget_syn_answers(bed);
  pass_handshake(bed, HandshakeStep::syn, deck);
  for (uint32_t first = 0; first < clients.count; first += kNewcomersPerSlice)
    check_handshakes(bed, {clients.first + first, kNewcomersPerSlice});
  bed.check_traffic();
  return report;
}

Report run_ack(const BedOptions& options) {
  Bed& bed = bed_for(options);
  const Clients clients{options.flows, options.newcomers};
  FrameDeck deck = handshake_deck(bed);
  // Anew whenever the deck begins: a cookie is good for half a minute.
  const auto fetch_cookies = [&] {
    pass_handshake(bed, HandshakeStep::syn, deck_of(bed, HandshakeStep::syn, clients));
    deck = deck_of(bed, HandshakeStep::ack, clients);
  };
  fetch_cookies();
  const uint64_t accepted_before = bed.counted(&WorkerCounters::cookies_accepted);
  const uint64_t opened_before = bed.counted(&WorkerCounters::connections_opened);
  const Report report = play_openings(bed, options, deck, [&](bool anew) {
    if (anew) fetch_cookies();
  });
  if (bed.counted(&WorkerCounters::cookies_accepted) - accepted_before !=
      bed.counted(&WorkerCounters::connections_opened) - opened_before)
    wrong("a connection was opened without its cookie");
  check_handshakes(bed, {options.flows, kNewcomersPerSlice});
  bed.check_traffic();
  return report;
}

// A number that is a client's cookie by chance would be one in eight million; two in a row are no chance.
TcpFields wrong_ack(Bed& bed, uint32_t connection) {
  const Tuple tuple = bed.plan().from_client(connection);
  const SynCookies& cookies = bed.worker().cookies;
  TcpFields tcp = bed.ends().client_ack(connection);
  for (unsigned tries = 0; tries < 2; ++tries) {
    tcp.ack += 0x1234'5678;
    if (!cookies.check(tuple, tcp.seq - 1, tcp.ack - 1) && !cookies.check(tuple, tcp.seq, tcp.ack - 1)) return tcp;
  }
  wrong("any number is a cookie");
}

Report run_reject(const BedOptions& options) {
  // Anew: drops stay in the counters.
  take_down_bed();
  Bed& bed = bed_for(options);
  bed.check_traffic();
  // So that wrong cookies stay wrong until the end.
  pass_time(bed.worker(), static_cast<uint32_t>(kCookieEpochMs - bed.worker().clock.now_ms() % kCookieEpochMs));
  worker_turn(bed.worker());
  FrameDeck deck = handshake_deck(bed);
  deck.reserve(options.newcomers);
  for (uint32_t i = options.flows; i < options.flows + options.newcomers; ++i)
    deck.add(bed.fields_of(bed.plan().from_client(i), kTcpAck, wrong_ack(bed, i)));
  const uint64_t sent_before = bed.counted(&WorkerCounters::tx_packets);
  Report report = play_flood(bed, deck, deck, [&](uint64_t packets) {
    const auto reason = static_cast<size_t>(DropReason::bad_cookie);
    if (bed.state().worker_counters[0].dropped[reason].read() != packets) wrong("a cookie was not refused as bad");
    if (bed.counted(&WorkerCounters::tx_packets) != sent_before) wrong("a bad cookie was answered");
    if (bed.worker().slab.used() != options.flows) wrong("a bad cookie was remembered");
  });
  bed.rewind();
  bed.pass(bed.traffic(), 0, false);
  take_down_bed();
  return report;
}

void add(const char* name, Unit unit, const BedOptions& options, Report (*run)(const BedOptions&)) {
  register_path(facts_of(name, options, unit), [options, run] { return run(options); });
}

}  // namespace

void register_cookie_benches() {
  const bool smoke = effort() == Effort::smoke;
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576})) {
      BedOptions options{.mode = Mode::proxy,
                         .proto = Proto::tcp,
                         .family = family,
                         .flows = flows,
                         .newcomers = smoke ? kNewcomersSmoke : kNewcomers,
                         .room = usual_room(flows),
                         .timestamps = true};
      add("cookie_ack", Unit::connection, options, run_ack);
      if (!smoke) options.newcomers = kClients;
      add("cookie_syn", Unit::packet, options, run_syn);
      add("cookie_reject", Unit::packet, options, run_reject);
    }
}

}  // namespace millrace::perf
