// pick_table.h: the backends that new connections are dealt from, of one service and family. Immutable.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/pick/alias_table.h"
#include "millrace/addr.h"
#include "millrace/ids.h"
#include "millrace/messages.h"

namespace millrace {

struct BackendTarget {
  IpAddr addr;
  Be16 port;
  BackendSlot slot{};
  uint16_t weight = 1;
  ProxyProtocol proxy_protocol{};
  uint8_t snat_pool = 0;         // of Snapshot::snat_pools
  uint32_t connections_max = 0;  // 0: no limit
};

// How one service picks, for one family. Only eligible backends (up, enabled, weight > 0) of the best priority
// group that has any are in `targets`; an empty one means no_backend.
struct PickTable {
  std::vector<BackendTarget> targets;
  // roundrobin and weight: target indexes in the order to hand them out (smooth weighted round robin, one period).
  std::vector<uint16_t> sequence;
  // maglev: kMaglevSize target indexes; depends on addresses, ports and weights alone, so that it is equal on every
  // host and in every run.
  std::vector<uint16_t> maglev;
  // iphash1: likewise.
  std::vector<uint16_t> rendezvous;
  // iphash, and those that draw at random: by weight.
  std::vector<AliasCell> alias;
  bool has_limits = false;  // a target has connections_max
};

}  // namespace millrace
