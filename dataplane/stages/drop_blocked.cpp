#include "dataplane/stages/drop_blocked.h"

#include <netinet/icmp6.h>

#include "dataplane/stages/burst.h"
#include "dataplane/stages/icmp_error.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

// Whether parse_burst has set the addresses, and left anything to decide.
bool has_addresses(const PacketInfo& info) {
  return info.kind == PacketKind::flow || info.kind == PacketKind::fragment || info.kind == PacketKind::icmp ||
         info.kind == PacketKind::suspect;
}

bool is_neighbour_discovery(const PacketInfo& info) {
  return info.kind == PacketKind::icmp && info.family == Family::ipv6 && info.icmp_type >= ND_ROUTER_SOLICIT &&
         info.icmp_type <= ND_REDIRECT;
}

// On a SNAT address.
bool may_be_answer(const VipTable& vips, const PacketInfo& info, const Tuple& tuple) {
  if (info.fragment == FragmentPart::later) return true;
  if (info.kind == PacketKind::icmp) return is_icmp_error(info.family, info.icmp_type);
  return vips.is_snat(tuple.dst, tuple.dst_port);
}

bool is_to_vip(const VipTable& vips, const PacketInfo& info, const Tuple& tuple) {
  if (vips.find_service({.addr = tuple.dst, .port = tuple.dst_port, .proto = tuple.proto}) != kNoService) return true;
  const std::optional<OwnedAddress> address = vips.find_address(tuple.dst);
  if (!address || !address->is_vip || address->kernel_owned) return false;
  return !address->is_snat || !may_be_answer(vips, info, tuple);
}

}  // namespace

void drop_blocked(Worker& worker, Burst& burst) {
  const Snapshot& snapshot = *worker.snapshot;
  for (unsigned i = 0; i < burst.count; ++i) {
    const PacketInfo& info = burst.info[i];
    if (!has_addresses(info) || is_neighbour_discovery(info)) continue;
    const Tuple tuple = tuple_of(burst, i);
    if (snapshot.blocklist->holds(tuple.src) && is_to_vip(snapshot.vips, info, tuple))
      drop_packet(worker, burst, i, DropReason::blocked);
  }
}

}  // namespace millrace
