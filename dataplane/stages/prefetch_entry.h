// prefetch_entry.h: fetches slab entries some packets ahead. All at once would stop the core: it can wait for some 16
// cache lines at a time; spread over act_burst, the waiting overlaps with the work.
// Route:  lookup_burst > prefetch_entry < act_burst
// Thread: owning worker.
#pragma once

#include <rte_prefetch.h>

#include "dataplane/stages/worker_context.h"

namespace millrace {

// The first ones are fetched by lookup_burst, the others by act_burst.
inline constexpr unsigned kEntriesAhead = 12;

inline void prefetch_entry(const Worker& worker, const Burst& burst, unsigned i) {
  if (burst.info[i].kind != PacketKind::flow || !burst.conns[i].found()) return;
  const auto* lines = reinterpret_cast<const uint8_t*>(&worker.slab[burst.conns[i].index]);
  rte_prefetch0(lines);
  if (burst.info[i].family == Family::ipv6) rte_prefetch0(lines + 64);
  if (worker.snapshot->any_spliced) rte_prefetch0(&worker.splices[raw(burst.conns[i].index)]);
}

}  // namespace millrace
