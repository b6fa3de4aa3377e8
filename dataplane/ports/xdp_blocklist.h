// xdp_blocklist.h: the blocklist as the XDP program of af_xdp ports has it. It drops what one packet alone shows to be
// blocked; the workers, who see all the rest, ask again (stages/drop_blocked.h).
// Thread: main lcore.
// Cost:   one system call for each prefix that is new or gone; a list that stays costs a comparison.
// Tests:  tests/unit/ports/xdp_blocklist_test.cpp, tests/packet/blocklist
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/bpf/steer_loader.h"
#include "dataplane/bpf/steer_maps.h"
#include "dataplane/pick/blocklist.h"
#include "dataplane/pick/vip_table.h"
#include "dataplane/ports/map_mirror.h"

namespace millrace {

class XdpBlocklist {
 public:
  // Goes on with what a dataplane that died has left. `maps` are complete, and outlive this.
  void open(const SteerMaps& maps);

  // Null: nobody is blocked. What stays is never gone in between. False with a sentence in `error` when the kernel takes no
  // more: then of what is new nothing is there.
  bool follow(const Blocklist* wanted, const VipTable& vips, std::string& error);

  // Since open(), by the programs of all ports.
  uint64_t dropped() const { return count_drops() - drops_before_; }

 private:
  bool follow_prefixes(const std::vector<BlockedPrefix>& wanted, std::string& error);
  bool follow_vips(const VipTable& vips, std::string& error);
  uint64_t count_drops() const;

  MapMirror<uint32_t, uint32_t> blocking_;
  MapMirror<steer_prefix, uint32_t> prefixes_;
  MapMirror<steer_address_key, steer_address> vips_;
  std::vector<BlockedPrefix> followed_;  // what prefixes_ was made of
  int drops_fd_ = -1;
  uint64_t drops_before_ = 0;
};

}  // namespace millrace
