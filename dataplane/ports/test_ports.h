// test_ports.h: how a test reaches into a ring port.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/ports/port.h"

namespace millrace {

// Name, for rte_ring_lookup, of the ring of mbuf pointers that the port's queue receives from or sends to. SP/SC, 4096
// slots; the port lets packets queue up and refuses to send into a full one.
std::string ring_port_name(PortIndex port, uint16_t queue, bool receive);

}  // namespace millrace
