// haproxy_server.h: server and default-server lines.
// Tests: tests/unit/import/haproxy_test.cpp
#pragma once

#include "controlplane/import/draft.h"
#include "controlplane/import/haproxy_lexer.h"

namespace millrace::importing {

struct HaproxyServer {
  uint32_t line = 0;
  std::string name;
  std::string address;  // as in the file
  uint64_t weight = 1;
  uint64_t connections_max = 0;
  uint64_t slow_start_ms = 0;
  uint64_t inter_ms = 2000;
  uint64_t rise = 2;
  uint64_t fall = 3;
  ProxyProtocol proxy_protocol = ProxyProtocol::none;
  bool backup = false;
  bool disabled = false;
  bool check = false;
  bool tls = false;  // towards the backend
  bool check_tls = false;
  bool verify = true;
  uint16_t check_port = 0;
  std::string ca_file;
  std::string check_name;  // SNI of the check
};

// The words from `at` on over what is there already.
void read_server_words(const HaproxyLine& line, size_t at, HaproxyServer& server, Complaints& complaints);

// Where it is; `port`: the one that clients use, for servers that name none. Nothing after complaining.
std::optional<Endpoint> server_endpoint(const HaproxyServer& server, uint16_t port, Complaints& complaints);

}  // namespace millrace::importing
