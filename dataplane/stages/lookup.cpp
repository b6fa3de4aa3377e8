// lookup.cpp: third stage: finds the connections of a whole burst at once, so that their cache misses overlap.
// Route:  parse_burst > lookup_burst > act_burst

#include "dataplane/stages/prefetch_entry.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

void lookup_burst(Worker& worker, Burst& burst) {
  TableKey keys[kBurstMax];
  uint8_t places[kBurstMax];
  unsigned count = 0;
  for (unsigned i = 0; i < burst.count; ++i) {
    if (burst.info[i].kind != PacketKind::flow) continue;
    const bool ipv4 = burst.info[i].family == Family::ipv4;
    keys[count] = ipv4 ? worker.table.table_key(burst.key4[i]) : worker.table.table_key(burst.key6[i]);
    places[count++] = static_cast<uint8_t>(i);
  }
  ConnRef refs[kBurstMax];
  worker.table.find_burst(keys, count, refs);
  for (unsigned k = 0; k < count; ++k) burst.conns[places[k]] = refs[k];
  for (unsigned i = 0; i < burst.count && i < kEntriesAhead; ++i) prefetch_entry(worker, burst, i);
}

}  // namespace millrace
