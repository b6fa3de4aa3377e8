// fragments.h: virtual reassembly. The first fragment of a packet shows its ports; later ones follow it by addresses and
// identification alone, and wait when they come before it.
// Route:  worker_turn > parse_burst > follow_fragments > lookup_burst (first fragments: packets like any other)
//                                                      > act_burst (later ones: trailing)
// Owner:  all fragments of a packet go to one worker, by a hash of addresses and identification. It keeps the datagram
//         and hands every fragment on to the owner of the connection, the first one first: one ring keeps their order.
// Thread: owning worker.
// Fails:  with the drop reasons fragment_…; what might be the kernel's goes there instead.
// Tests:  tests/unit/stages/fragments_test.cpp, tests/packet/fragments
#pragma once

#include "dataplane/stages/burst.h"

namespace millrace {

struct Worker;

// Afterwards no packet of the burst is of kind fragment: it has the kind flow or trailing, or is done.
void follow_fragments(Worker& worker, Burst& burst);

// Adds later fragments whose first one came to the burst, as far as there is room. Returns how many.
unsigned take_ready_fragments(Worker& worker, Burst& burst);

// Gives up what waited for kFragmentTimeoutMs. At most kExpiriesPerCall datagrams a call.
void expire_fragments(Worker& worker);

}  // namespace millrace
