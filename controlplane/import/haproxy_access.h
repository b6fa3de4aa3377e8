// haproxy_access.h: tcp-request rules as access rules, and use_backend by server name.
// Tests: tests/unit/import/haproxy_test.cpp
#pragma once

#include "controlplane/import/haproxy_proxy.h"

namespace millrace::importing {

void read_access(const HaproxyProxy& proxy, DraftService& service, Draft& draft);

// Which backends a frontend has, and for which server names; in the order of the file.
struct HaproxyRoute {
  uint32_t line = 0;
  std::string backend;
  Tests names;  // empty: all others
};
std::vector<HaproxyRoute> read_routes(const HaproxyProxy& proxy, Complaints& complaints);

// sni= of a backend with these names: a name where that is possible, an expression otherwise.
bool needs_regexp(const HaproxyRoute& route);
std::string host_of(const HaproxyRoute& route, bool regexp);

}  // namespace millrace::importing
