// host_routes.h: what this host's kernel would do with a packet, by its addresses and routes. Nothing is sent.
// Thread: any.      Tests: tests/unit/control/automatic_snat_test.cpp, tests/packet/automatic_ports
#pragma once

#include <optional>
#include <string>

#include "millrace/addr.h"

namespace millrace::config {

// The host's own address towards another. Asks the kernel's routes (a connected UDP socket). Some 2 us a call.
std::optional<IpAddr> kernel_source(const IpAddr& towards);

// The interface that has an address of this host; empty: none.
std::string interface_of(const IpAddr& own);

}  // namespace millrace::config
