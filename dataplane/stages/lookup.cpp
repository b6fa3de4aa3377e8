// lookup.cpp: third stage: finds the connections of a whole burst at once, so that their cache misses overlap.
// Route:  parse_burst > lookup_burst > act_burst

#include <rte_prefetch.h>

#include "dataplane/stages/stages.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

// The places of one family's flow packets within the burst, and their keys, as the bulk call wants them.
template <typename Key>
struct Batch {
  unsigned count = 0;
  uint8_t places[kBurstMax];
  const Key* keys[kBurstMax];

  void add(unsigned place, const Key& key) {
    places[count] = static_cast<uint8_t>(place);
    keys[count++] = &key;
  }
};

void take_refs(const Worker& worker, Burst& burst, const uint8_t places[], const ConnRef refs[], unsigned count) {
  for (unsigned k = 0; k < count; ++k) {
    const unsigned i = places[k];
    burst.conns[i] = refs[k];
    if (!refs[k].found()) continue;
    const auto* lines = reinterpret_cast<const uint8_t*>(&worker.slab[refs[k].index]);
    rte_prefetch0(lines);
    if (burst.info[i].family == Family::ipv6) rte_prefetch0(lines + 64);
  }
}

}  // namespace

void lookup_burst(Worker& worker, Burst& burst) {
  Batch<FlowKey4> ipv4;
  Batch<FlowKey6> ipv6;
  for (unsigned i = 0; i < burst.count; ++i) {
    if (burst.info[i].kind != PacketKind::flow) continue;
    if (burst.info[i].family == Family::ipv4)
      ipv4.add(i, burst.key4[i]);
    else
      ipv6.add(i, burst.key6[i]);
  }
  ConnRef refs[kBurstMax];
  if (ipv4.count != 0) {
    worker.table.find_burst4(ipv4.keys, ipv4.count, refs);
    take_refs(worker, burst, ipv4.places, refs, ipv4.count);
  }
  if (ipv6.count != 0) {
    worker.table.find_burst6(ipv6.keys, ipv6.count, refs);
    take_refs(worker, burst, ipv6.places, refs, ipv6.count);
  }
}

}  // namespace millrace
