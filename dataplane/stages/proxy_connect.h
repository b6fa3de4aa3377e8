// proxy_connect.h: the backend's half of a proxied handshake: our SYN, what we say first, and the next backend if this
// one does not want it.
// Route:  begin_handshake > connect_backend > pick_backend, attach_backend, say_syn
//         act_on_handshake > take_backend_segment > establish; proceed_handshake > proceed_connect
// Thread: owning worker.
// Fails:  when no backend is left: the service counts why, once; the client is reset; a note tells it.
#pragma once

#include "dataplane/stages/tcp_segment.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// The connection has no backend. `avoid`: not to this one.
void connect_backend(Worker& worker, ConnIndex index, const ServiceTables& service, BackendSlot avoid);

// In states connect and header. True: it is established with this segment, which goes on to the client.
bool take_backend_segment(Worker& worker, ConnIndex index, const TcpSegment& segment);

// States connect and header, at Splice::due_ms.
void proceed_connect(Worker& worker, ConnIndex index);

// Ends what the backend has of the connection, if there is one.
void reset_backend(Worker& worker, ConnIndex index);

// Lets go of the backend and of what is kept. The entry stays closed for a while, so that neither a late segment with
// the client's cookie nor our answer to its SYN, which would be said again, begins anew what is over.
void end_handshake(Worker& worker, ConnIndex index);

// A client that misses the reset of its connection may come back with the cookie that began it, which would begin
// another. So the entry, once closed, stays until that cookie is worthless.
void outlive_cookie(Worker& worker, ConnIndex index);

// Counts the client as refused, resets it and ends the handshake.
void refuse_client(Worker& worker, ConnIndex index, BackendSlot last);

}  // namespace millrace
