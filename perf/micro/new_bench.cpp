// new_bench.cpp: the first packet of a connection, from the port to the port: backend and source port are chosen,
// entry, both keys and timer made, the packet forwarded. The tables hold `flows` other connections all the while; a
// slice opens some and closes them outside of the timing. Clients come round again only after many slices, so that
// nothing of theirs is in a cache.

#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/newcomers.h"

namespace millrace::perf {
namespace {

// A slice more, whose packets are compared, and seen to lead to `flows` connections that still are as they were.
void check_slice(Bed& bed, const BedOptions& options) {
  FrameDeck deck(options.family, options.proto);
  for (uint32_t i = 0; i < kNewcomersPerSlice; ++i)
    deck.add(bed.fields_of(bed.plan().from_client(options.flows + i), kTcpSyn));
  bed.pass(deck, 0, true);
  bed.close(options.flows, kNewcomersPerSlice);
  bed.check_traffic();
}

Report run_new(const BedOptions& options) {
  Bed& bed = bed_for(options);
  FrameDeck deck(options.family, options.proto);
  deck.reserve(options.newcomers);
  for (uint32_t i = 0; i < options.newcomers; ++i)
    deck.add(bed.fields_of(bed.plan().from_client(options.flows + i), kTcpSyn));
  const Report report = play_openings(bed, options, deck);
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
    for (const uint32_t flows : flow_counts({65'536}))
      add({.mode = Mode::fullnat, .proto = Proto::tcp, .family = family, .flows = flows, .access_rules = 100'000});
    for (const uint32_t flows : flow_counts({1024, 1'048'576})) {
      add({.mode = Mode::nat, .proto = Proto::tcp, .family = family, .flows = flows});
      add({.mode = Mode::fullnat, .proto = Proto::udp, .family = family, .flows = flows});
    }
  }
}

}  // namespace millrace::perf
