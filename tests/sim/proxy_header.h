// proxy_header.h: the bytes of a PROXY protocol header as a backend should get them.
#pragma once

#include <cstdint>
#include <vector>

#include "millrace/addr.h"

namespace millrace::sim {

enum class ProxyHeader : uint8_t { none, v1, v2 };

std::vector<uint8_t> proxy_header(ProxyHeader version, const Endpoint& client, const Endpoint& vip);

}  // namespace millrace::sim
