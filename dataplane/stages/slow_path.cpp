// slow_path.cpp: see the header. Reads and rewrites are pure functions of their own files; here is who gets what.
#include "dataplane/stages/slow_path.h"

#include <rte_mbuf.h>

#include "dataplane/stages/connection.h"
#include "dataplane/stages/direct_flow.h"
#include "dataplane/stages/direct_forward.h"
#include "dataplane/stages/icmp_echo.h"
#include "dataplane/stages/icmp_error.h"
#include "dataplane/stages/link_answers.h"
#include "dataplane/stages/next_hop.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/tunnel_error.h"
#include "dataplane/stages/whose_packet.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

const MacAddr& mac_of(const Worker& worker, PortIndex port) { return worker.state.ports[raw(port)].mac; }

// An address that the dataplane answers for itself.
bool answers_for(const Worker& worker, const IpAddr& addr) {
  const std::optional<OwnedAddress> owned = worker.snapshot->vips.find_address(addr);
  return owned && !owned->kernel_owned;
}

// True: the packet was a neighbour solicitation or a malformed one, and is done.
bool handle_solicitation(Worker& worker, rte_mbuf* mbuf, PortIndex port) {
  IpAddr target;
  switch (read_solicitation(*mbuf, target)) {
    case LinkQuestion::other:
      return false;
    case LinkQuestion::malformed:
      drop_packet(worker, mbuf, DropReason::arp_malformed);
      return true;
    case LinkQuestion::asks:
      break;
  }
  if (!answers_for(worker, target)) {
    divert_packet(worker, mbuf, port);
  } else if (!answer_solicitation(*mbuf, mac_of(worker, port))) {
    drop_packet(worker, mbuf, DropReason::no_mbuf);
  } else {
    worker.counters.arp_answered.add(1);
    transmit_packet(worker, mbuf, port);
  }
  return true;
}

void handle_echo(Worker& worker, rte_mbuf* mbuf, PortIndex port) {
  if (!take_icmp_token(worker)) return drop_packet(worker, mbuf, DropReason::icmp_rate);
  const std::optional<DropReason> refused = answer_echo(*mbuf);
  if (refused) return drop_packet(worker, mbuf, *refused);
  worker.counters.echo_answered.add(1);
  transmit_packet(worker, mbuf, port);
}

// About what a backend of a direct service has answered: the backend's to hear, and to understand, as it came.
void pass_error(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info, ConnEntry& flow) {
  worker.counters.icmp_translated.add(1);
  forward_direct(worker, mbuf, info, flow);
}

// The same of a flow without an entry, which Maglev finds the backend of.
void pass_unrecorded(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info, const Tuple& client,
                     const ServiceTables& service) {
  ConnEntry flow{};
  if (const auto refused = describe_direct(worker, client, service, flow)) return drop_packet(worker, mbuf, *refused);
  worker.counters.unrecorded.add(1);
  pass_error(worker, mbuf, info, flow);
}

void translate_error(Worker& worker, rte_mbuf* mbuf, const IcmpError& error, const ConnRef& ref) {
  ConnEntry& entry = worker.slab[ref.index];
  // Before both sides know each other nothing of the one concerns the other.
  if (in_handshake(entry)) return drop_packet(worker, mbuf, DropReason::icmp_unknown_flow);
  const Splice* splice = entry.spliced != 0 ? &worker.splice(ref.index) : nullptr;
  const std::optional<DropReason> refused = translate_icmp_error(*mbuf, error, entry, splice, ref.direction);
  if (refused) return drop_packet(worker, mbuf, *refused);
  worker.counters.icmp_translated.add(1);
  send_along(worker, mbuf, find_hop(worker, entry, ref.direction));
}

// `ours`: the error is to an address that nobody but us answers for. Otherwise the kernel gets what we cannot place: it
// is about its own connections, or, in mode nat, between a backend and a client that it routes.
void handle_error(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info, bool ours) {
  if (handle_tunnel_error(worker, mbuf, info)) return;
  IcmpError error;
  const std::optional<DropReason> refused = read_icmp_error(*mbuf, error);
  if (refused) return ours ? drop_packet(worker, mbuf, *refused) : divert_packet(worker, mbuf, info.port);
  const bool ipv4 = error.family == Family::ipv4;
  const Tuple opposite = ipv4 ? tuple_of(opposite_key4(error)) : tuple_of(opposite_key6(error));
  const ConnRef ref = find_connection(worker, opposite);
  if (ref.found()) {
    ConnEntry& entry = worker.slab[ref.index];
    return is_direct(entry.mode) ? pass_error(worker, mbuf, info, entry) : translate_error(worker, mbuf, error, ref);
  }
  // Who owns the packets that travel against the quoted one owns the error.
  const Belonging belonging = whose_packet(worker, opposite);
  const bool has_owner =
      belonging.whose == Whose::service || belonging.whose == Whose::snat_reply || belonging.whose == Whose::nat_reply;
  if (has_owner && belonging.owner != worker.self && !info.handed)
    return handover_packet(worker, mbuf, info.port, belonging.owner);
  if (belonging.whose == Whose::service && is_direct(belonging.service->mode))
    return pass_unrecorded(worker, mbuf, info, opposite, *belonging.service);
  if (ours) return drop_packet(worker, mbuf, DropReason::icmp_unknown_flow);
  divert_packet(worker, mbuf, info.port);
}

}  // namespace

bool take_icmp_token(Worker& worker) { return worker.icmp_answers.take(worker.clock.now_ms()); }

void answer_too_big(Worker& worker, rte_mbuf* mbuf, PortIndex port, const IpAddr& source, uint16_t mtu_bytes) {
  if (!take_icmp_token(worker)) return drop_packet(worker, mbuf, DropReason::icmp_rate);
  const std::optional<DropReason> refused = make_too_big(*mbuf, source, mtu_bytes);
  if (refused) return drop_packet(worker, mbuf, *refused);
  transmit_packet(worker, mbuf, port);
}

void handle_arp(Worker& worker, Burst& burst, unsigned i) {
  rte_mbuf* mbuf = burst.mbufs[i];
  const PortIndex port = burst.info[i].port;
  burst.info[i].kind = PacketKind::done;
  IpAddr target;
  const LinkQuestion question = read_arp(*mbuf, target);
  if (question == LinkQuestion::malformed) return drop_packet(worker, mbuf, DropReason::arp_malformed);
  if (question == LinkQuestion::other || !answers_for(worker, target)) return divert_packet(worker, mbuf, port);
  answer_arp(*mbuf, mac_of(worker, port));
  worker.counters.arp_answered.add(1);
  transmit_packet(worker, mbuf, port);
}

void handle_icmp(Worker& worker, Burst& burst, unsigned i) {
  rte_mbuf* mbuf = burst.mbufs[i];
  const PacketInfo& info = burst.info[i];
  burst.info[i].kind = PacketKind::done;
  if (info.family == Family::ipv6 && handle_solicitation(worker, mbuf, info.port)) return;
  const bool ours = answers_for(worker, tuple_of(burst, i).dst);
  if (is_icmp_error(info.family, info.icmp_type)) return handle_error(worker, mbuf, info, ours);
  if (!ours) return divert_packet(worker, mbuf, info.port);
  if (is_echo_request(info.family, info.icmp_type)) return handle_echo(worker, mbuf, info.port);
  drop_packet(worker, mbuf, DropReason::icmp_unsupported);
}

}  // namespace millrace
