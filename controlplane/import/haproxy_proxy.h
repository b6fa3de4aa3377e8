// haproxy_proxy.h: a proxy section, with what it has from its defaults.
// Tests: tests/unit/import/haproxy_test.cpp
#pragma once

#include "controlplane/import/draft.h"
#include "controlplane/import/haproxy_conditions.h"
#include "controlplane/import/haproxy_server.h"

namespace millrace::importing {

// What defaults may say.
struct HaproxySettings {
  bool http = false;
  std::string balance = "roundrobin";
  uint32_t balance_line = 0;
  bool consistent_hash = false;
  bool redispatch = false;
  bool all_backups = false;
  // 0: not said.
  uint64_t client_ms = 0;
  uint64_t server_ms = 0;
  uint64_t tunnel_ms = 0;
  uint64_t connect_ms = 0;
  uint64_t check_ms = 0;
  uint64_t connections_max = 0;
  uint64_t connection_rate = 0;
  // Shared: any number of proxies may have them.
  std::shared_ptr<const HaproxyLine> check;                     // option httpchk …; null: by TCP
  std::vector<std::shared_ptr<const HaproxyLine>> check_rules;  // tcp-check, http-check
  HaproxyServer server;                                         // default-server

  std::vector<std::string> check_words() const { return check ? check->words : std::vector<std::string>(); }
};

struct HaproxyProxy {
  HaproxyLine head;
  HaproxySettings settings;
  AccessLists lists;
  std::vector<HaproxyLine> binds;
  std::vector<HaproxyLine> rules;         // tcp-request
  std::vector<HaproxyLine> use_backends;  // the last may be default_backend
  std::vector<HaproxyServer> servers;
  bool used = false;  // by a frontend

  std::string_view name() const { return head.word(1); }
};

// `settings`: of the defaults. Of a section of HTTP nothing but that it is one.
HaproxyProxy read_proxy(const HaproxySection& section, const HaproxySettings& settings, Complaints& complaints);

// How the servers of a proxy are asked; nothing when none is.
std::optional<DraftCheck> haproxy_check(const HaproxyProxy& proxy, Complaints& complaints);

}  // namespace millrace::importing
