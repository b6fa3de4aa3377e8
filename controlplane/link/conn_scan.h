// conn_scan.h: finds connections in the slab by service, backend and client.
// Thread: the event loop; a scan of a large slab gives way to others every few milliseconds.
// Bound:  128 bytes of slab a connection, read once, and the splices of matches; at most `limit` rows are kept.
// Tests:  tests/unit/control/segment_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/link/segment_join.h"
#include "millrace/addr.h"
#include "millrace/ids.h"

namespace millrace::control {

struct ConnFilter {
  std::optional<std::string> service;  // name
  std::optional<Endpoint> backend;
  std::optional<IpAddr> client;
  std::optional<uint16_t> client_port;  // only with client
};

struct ConnRow {
  ConnIndex index{};
  std::string service;  // empty: the directory no longer knows it
  ConnState state{};
  Proto proto{};
  Mode mode{};
  Encapsulation encapsulation{};
  WorkerIndex owner{};
  Endpoint client;
  Endpoint vip;
  Endpoint snat;     // port 0: none yet
  Endpoint backend;  // likewise
  uint32_t age_ms = 0;
  uint32_t client_idle_ms = 0;
  uint32_t backend_idle_ms = 0;
  std::optional<Splice> splice;  // of a proxied connection
};

struct ConnScan {
  uint64_t matched = 0;
  std::vector<ConnRow> rows;  // the first `limit` matches
  bool complete = true;       // false: stopped at the limit, `matched` is not the whole number
};

// count_all: go on behind the limit to get the whole number.
boost::asio::awaitable<ConnScan> scan_connections(std::shared_ptr<const Segment> segment, ConnFilter filter,
                                                  size_t limit, bool count_all);

std::string conn_state_name(ConnState state);

}  // namespace millrace::control
