// proxy_accept.h: the client's handshake with a proxied service. A SYN is answered without remembering anything; the
// connection begins with the ACK that brings the cookie back.
// Route:  act_on_miss > answer_syn | accept_client > begin_handshake
// Thread: owning worker. Each call ends its packet.
// Bound:  a SYN costs one answer of at most its size and 34 bytes, and a place in a row of fixed size (syn_answer.h):
//         no entry, no event, no timer.
// Fails:  with the drop reasons bad_cookie, slab_full, table_full. A client that is not taken stays free to try again
//         with its next segment, while its cookie is good.
// Tests:  tests/unit/stages/proxy_test.cpp, tests/tcp, tests/sim
#pragma once

#include "dataplane/stages/burst.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// For a SYN without ACK.
void answer_syn(Worker& worker, Burst& burst, unsigned i, const Tuple& tuple, const ServiceTables& service);
// For any other segment of no connection.
void accept_client(Worker& worker, Burst& burst, unsigned i, const Tuple& tuple, const ServiceTables& service);

}  // namespace millrace
