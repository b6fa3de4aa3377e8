#include "dataplane/ports/xdp_blocklist.h"

#include <bpf/libbpf.h>

#include <cstring>
#include <numeric>

#include "dataplane/ports/steer_rows.h"

namespace millrace {
namespace {

using PrefixRows = MapMirror<steer_prefix, uint32_t>::Rows;
using VipRows = MapMirror<steer_address_key, steer_address>::Rows;

constexpr uint32_t kFamilyBits = 32;

steer_prefix to_prefix(const BlockedPrefix& blocked) {
  const bool ipv4 = blocked.prefix.is_ipv4();
  steer_prefix prefix{.bits = kFamilyBits + blocked.bits, .family = ipv4 ? 4u : 6u, .addr = {}};
  std::memcpy(prefix.addr, blocked.prefix.bytes.data() + (ipv4 ? 12 : 0), ipv4 ? 4 : 16);
  return prefix;
}

// With the SNAT ports of each; one with too many of them is left to the workers.
VipRows vip_rows(const VipTable& table) {
  VipRows rows;
  for (const VipTable::AddressRow& row : table.addresses())
    if (row.owned.is_vip && !row.owned.kernel_owned) rows[to_key(row.addr)].whole = 1;
  for (const VipTable::SnatRow& row : table.snat_rows()) {
    const auto vip = rows.find(to_key(row.addr));
    if (vip != rows.end() && !add_range(vip->second, {row.port_first, row.port_last})) rows.erase(vip);
  }
  return rows;
}

}  // namespace

void XdpBlocklist::open(const SteerMaps& maps) {
  blocking_.open(maps.blocking, STEER_BLOCKING_MAP);
  prefixes_.open(maps.blocked, STEER_BLOCKED_MAP);
  vips_.open(maps.vips, STEER_VIPS_MAP);
  drops_fd_ = maps.drops;
  drops_before_ = count_drops();
}

bool XdpBlocklist::follow(const Blocklist* wanted, const VipTable& vips, std::string& error) {
  static const std::vector<BlockedPrefix> kNobody;
  const bool vips_taken = follow_vips(vips, error);
  return follow_prefixes(wanted != nullptr ? wanted->prefixes() : kNobody, error) && vips_taken;
}

bool XdpBlocklist::follow_vips(const VipTable& vips, std::string& error) {
  const VipRows rows = vip_rows(vips);
  vips_.remove_others(rows);
  return vips_.put(rows, error);
}

bool XdpBlocklist::follow_prefixes(const std::vector<BlockedPrefix>& wanted, std::string& error) {
  const bool is_followed = wanted == followed_ && prefixes_.rows().empty() == wanted.empty();
  if (is_followed) return true;
  PrefixRows rows;
  for (const BlockedPrefix& blocked : wanted) rows.emplace(to_prefix(blocked), 1);
  const bool all_taken = prefixes_.put(rows, error);
  prefixes_.remove_others(rows);
  const auto count = static_cast<uint32_t>(prefixes_.rows().size());
  followed_ = all_taken ? wanted : std::vector<BlockedPrefix>{};
  return blocking_.put({{0, count}}, error) && all_taken;
}

uint64_t XdpBlocklist::count_drops() const {
  const int cpus = libbpf_num_possible_cpus();
  std::vector<uint64_t> counts(cpus > 0 ? static_cast<size_t>(cpus) : 0);
  const uint32_t only = 0;
  if (counts.empty() || bpf_map_lookup_elem(drops_fd_, &only, counts.data()) != 0) return drops_before_;
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

}  // namespace millrace
