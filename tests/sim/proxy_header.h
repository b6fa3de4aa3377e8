// proxy_header.h: the bytes of a PROXY protocol header as a backend should get them.
#pragma once

#include <cstdint>
#include <vector>

#include "millrace/addr.h"
#include "millrace/messages.h"

namespace millrace::sim {

// kAnyByte (stream.h) where the middle is free.
std::vector<int16_t> proxy_header(ProxyProtocol version, const Endpoint& client, const Endpoint& vip);

}  // namespace millrace::sim
