// whose_packet.h: what a packet without a connection is to us, and which worker decides about it.
// Route:  act_burst | handle_icmp > whose_packet > open_connection | handover_packet | divert_packet | drop_packet
// Thread: owning worker.
// Tests:  tests/unit/stages/act_test.cpp
#pragma once

#include "dataplane/stages/burst.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

enum class Whose : uint8_t {
  service,      // from a client to a service
  snat_reply,   // to a SNAT address and port: from a backend of a fullnat service
  nat_reply,    // from a backend of a nat service, to whomever
  our_address,  // to a VIP or SNAT address, but to nothing there
  kernel,       // to an address of the kernel's, or of somebody else
};

struct Belonging {
  Whose whose = Whose::kernel;
  WorkerIndex owner{};                     // service, snat_reply, nat_reply
  const ServiceTables* service = nullptr;  // service
  bool kernel_owned = false;               // snat_reply: the rest of this address is the kernel's
};

Belonging whose_packet(const Worker& worker, const Tuple& tuple);

}  // namespace millrace
