// proxy_hello.h: the ClientHello of a service that reads server names: kept until it is whole, so that it can choose a
// backend, and until that backend has acknowledged it.
// Route:  begin_handshake | act_on_handshake > take_hello_segment > connect_backend
//         connect_backend > table_of
// Thread: owning worker.
// Bound:  kHelloWindowBytes a connection and the service's hello timeout; see hello_store.h for all of them.
// Holds:  what is kept is acknowledged, so that a client which waits for that (RFC 9293 section 3.7.4, Nagle) goes on.
// Fails:  a stream that is no TLS, or has no name, counts as a connection with an unexpected name. Without room nothing
//         is acknowledged (drop reason hello_full), and the client sends it again.
// Tests:  tests/unit/stages/proxy_hello_test.cpp
#pragma once

#include "dataplane/stages/tcp_segment.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

// To state hello; `segment` brought the client's proof and perhaps its first bytes.
void begin_hello(Worker& worker, ConnIndex index, const ServiceTables& service, const TcpSegment& segment);

// An acceptable segment of the client in state hello. False: it could not be kept (hello_full).
bool take_hello_segment(Worker& worker, ConnIndex index, const TcpSegment& segment);

// The name in what is kept, in `storage`; empty without one.
std::string_view server_name(const Worker& worker, ConnIndex index, std::span<char, kServerNameBytesMax> storage);

// The backends for this connection: all of its family, or those of its server name; nullptr: nobody's.
const PickTable* table_of(Worker& worker, ConnIndex index, const ServiceTables& service);

// What is left of the window that the SYN-ACK gave, as it stands in a header; 0 in every state but hello.
uint16_t client_window(const Worker& worker, ConnIndex index);

uint32_t held_bytes(const Worker& worker, ConnIndex index);
void release_hello(Worker& worker, ConnIndex index);

}  // namespace millrace
