// syn_flood_bench.cpp: what it costs to refuse a SYN: because every entry is taken, or because of who sends it.

#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/newcomers.h"

namespace millrace::perf {
namespace {

constexpr uint32_t kAttackers = 65'536;

Report run_refusals(const BedOptions& options, DropReason refused) {
  // Anew: drops stay in the counters.
  take_down_bed();
  Bed& bed = bed_for(options);
  FrameDeck deck(options.family, options.proto);
  deck.reserve(options.newcomers);
  for (uint32_t i = 0; i < options.newcomers; ++i)
    deck.add(bed.fields_of(bed.plan().from_client(options.flows + i), kTcpSyn));
  // First, because afterwards there are drops.
  bed.check_traffic();
  const uint64_t sent_before = bed.counted(&WorkerCounters::tx_packets);
  const Report report = play_flood(bed, deck, bed.traffic(), [&](uint64_t packets) {
    if (bed.state().worker_counters[0].dropped[static_cast<size_t>(refused)].read() != packets)
      wrong("a SYN was not refused, or under another reason");
    if (bed.counted(&WorkerCounters::tx_packets) != sent_before) wrong("a refused SYN was forwarded");
  });
  bed.pass(bed.traffic(), 0, false);
  take_down_bed();
  return report;
}

}  // namespace

void register_syn_flood_benches() {
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576})) {
      const BedOptions options{
          .mode = Mode::fullnat, .proto = Proto::tcp, .family = family, .flows = flows, .newcomers = kAttackers};
      register_path(facts_of("syn_flood", options), [options] { return run_refusals(options, DropReason::slab_full); });
    }
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const uint32_t flows : flow_counts({65'536})) {
      const BedOptions options{.mode = Mode::fullnat,
                               .proto = Proto::tcp,
                               .family = family,
                               .flows = flows,
                               .newcomers = kAttackers,
                               .access_rules = 100'000,
                               .deny_newcomers = true};
      register_path(facts_of("acl_drop", options),
                    [options] { return run_refusals(options, DropReason::access_denied); });
    }
}

}  // namespace millrace::perf
