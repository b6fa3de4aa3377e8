// proxy_handshake.h: from a proven client to a backend that took its connection. States of ConnState:
//   hello > connect > header > established, where hello and header are left out if there is nothing to read or to say.
//   connect, header: refused, reset or silent for too long > another backend, connect again; none left > closed
// Route:  act_on_flow > act_on_handshake; expire_connections > proceed_handshake
// Thread: owning worker.
// Bound:  kBackendTriesMax backends a connection, never the same twice in a row, each for the service's connect timeout.
// Holds:  the client's window is closed until the backend has acknowledged what we say first, so nothing of the client is
//         kept, but its ClientHello where the service reads server names. Everything that we say is said again by the
//         timer until it is acknowledged.
// Tests:  tests/unit/stages/proxy_test.cpp, proxy_connect_test.cpp, tests/tcp, tests/sim, tests/fuzz/proxy_fuzz.cpp
#pragma once

#include "dataplane/stages/burst.h"
#include "dataplane/stages/tcp_segment.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

inline constexpr uint8_t kBackendTriesMax = 4;
inline constexpr uint32_t kFirstRetransmitMs = 250;  // doubles: a data centre's backend answers within a few ms
inline constexpr uint16_t kHelloWindowBytes = kHelloBytesMax;

// A connection whose client half is filled in; `segment` brought its proof.
void begin_handshake(Worker& worker, ConnIndex index, const ServiceTables& service, const TcpSegment& segment);

// A packet of a connection that in_handshake() says is not spliced yet. True: that packet ended the handshake and goes
// on to the other side as any of an established connection; false: it is done.
bool act_on_handshake(Worker& worker, Burst& burst, unsigned i);

// The timer: something is to be said again, or given up.
void proceed_handshake(Worker& worker, ConnIndex index);

// A proxied connection whose client was refused keeps its entry for a while, to answer what the client still sends.
inline bool in_handshake(const ConnEntry& entry) {
  return in_proxied_handshake(entry.state) || (entry.spliced != 0 && entry.backend == kNoBackend);
}

}  // namespace millrace
