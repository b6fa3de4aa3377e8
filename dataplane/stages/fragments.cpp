// fragments.cpp: see the header. claim > owner > datagram > coverage > hold, or the packet goes on.
#include "dataplane/stages/fragments.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/stages/handover.h"
#include "dataplane/stages/ip_headers.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

constexpr unsigned kExpiriesPerCall = 64;
constexpr unsigned kUnitBytes = 8;

// One fragment, as its IP header has it.
struct Fragment {
  uint32_t id = 0;
  uint32_t proto = 0;  // IPv4; the identification of IPv6 stands for itself (RFC 8200 section 4.5)
  FragmentPlace place;
};

FragmentPlace place_of(unsigned offset_units, unsigned data_bytes, bool more) {
  return {.first = static_cast<uint16_t>(offset_units),
          .end = static_cast<uint16_t>(offset_units + (data_bytes + kUnitBytes - 1) / kUnitBytes),
          .last = !more};
}

// parse_burst has checked every length.
Fragment read_fragment(const Burst& burst, unsigned i) {
  const PacketInfo& info = burst.info[i];
  const auto* l3 = rte_pktmbuf_mtod_offset(burst.mbufs[i], const uint8_t*, sizeof(rte_ether_hdr));
  if (info.family == Family::ipv4) {
    const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(l3);
    const uint16_t flags = Be16{ip.fragment_offset}.host();
    const unsigned data_bytes = info.ip_bytes - rte_ipv4_hdr_len(&ip);
    return {.id = Be16{ip.packet_id}.host(),
            .proto = ip.next_proto_id,
            .place = place_of(flags & RTE_IPV4_HDR_OFFSET_MASK, data_bytes, (flags & RTE_IPV4_HDR_MF_FLAG) != 0)};
  }
  Ipv6Chain chain;
  walk_ipv6_chain(l3, info.ip_bytes, chain);
  // What may be cut into pieces begins behind the fragment header.
  const unsigned data_bytes = info.ip_bytes - chain.fragment_at - static_cast<unsigned>(RTE_IPV6_FRAG_HDR_SIZE);
  return {.id = chain.id, .place = place_of(chain.offset_units, data_bytes, chain.more)};
}

// No two datagrams of interest have one, as with connections (conn_table.h).
TableKey key_of(const Worker& worker, const Tuple& tuple, const Fragment& fragment) {
  return worker.table.table_key(FlowKey6{.src = tuple.src.bytes,
                                         .dst = tuple.dst.bytes,
                                         .src_port = Be16{static_cast<uint16_t>(fragment.id >> 16)},
                                         .dst_port = Be16{static_cast<uint16_t>(fragment.id)},
                                         .proto = fragment.proto});
}

enum class Claim : uint8_t { kernels, shared, ours };

// Addresses are all that a later fragment shows. Shared ones have services of ours, and other traffic.
Claim claim_of(const Worker& worker, const Tuple& tuple) {
  const VipTable& vips = worker.snapshot->vips;
  if (const std::optional<OwnedAddress> owned = vips.find_address(tuple.dst))
    return owned->kernel_owned ? Claim::shared : Claim::ours;
  return vips.is_nat_backend_address(tuple.src) ? Claim::shared : Claim::kernels;
}

void give_up_held(Worker& worker, Datagram& datagram, DropReason reason) {
  while (rte_mbuf* mbuf = worker.datagrams.take_held(datagram)) {
    if (datagram.ours)
      drop_packet(worker, mbuf, reason);
    else
      divert_packet(worker, mbuf, read_handover_note(mbuf).port);
  }
}

void give_up(Worker& worker, Datagram& datagram, DropReason reason) {
  give_up_held(worker, datagram, reason);
  worker.datagrams.remove(datagram);
}

// The oldest make room: of a flood of fragments that lead nowhere, its own.
void make_room(Worker& worker) {
  DatagramTable& table = worker.datagrams;
  if (table.held_count() >= kHeldFragmentMax)
    if (Datagram* waiting = table.oldest_waiting()) give_up(worker, *waiting, DropReason::fragment_full);
  if (table.room()) return;
  if (Datagram* decided = table.oldest_decided()) return table.remove(*decided);
  give_up(worker, *table.oldest_waiting(), DropReason::fragment_full);
}

// A packet to be found, and decided about, like any other of its ports.
void go_on(Burst& burst, unsigned i, Proto proto, Be16 src_port, Be16 dst_port) {
  PacketInfo& info = burst.info[i];
  const auto complete = [&](auto& key) {
    key.src_port = src_port;
    key.dst_port = dst_port;
    key.proto = static_cast<uint32_t>(proto);
  };
  info.proto = proto;
  if (info.family == Family::ipv4)
    complete(burst.key4[i]);
  else
    complete(burst.key6[i]);
  info.kind = info.fragment == FragmentPart::first ? PacketKind::flow : PacketKind::trailing;
}

void hold(Worker& worker, Burst& burst, unsigned i, Datagram& datagram) {
  const bool full =
      datagram.held.count == kFragmentsPerDatagramMax || worker.datagrams.held_count() >= kHeldFragmentMax;
  if (full) return drop_packet(worker, burst, i, DropReason::fragment_full);
  burst.info[i].kind = PacketKind::done;
  write_handover_note(burst.mbufs[i], HandoverNote{.kind = HandoverKind::fragment, .port = burst.info[i].port});
  worker.datagrams.hold(datagram, burst.mbufs[i]);
}

// The first fragment came: those that wait come in again after it, with its ports.
void learn_ports(Worker& worker, const Tuple& tuple, Datagram& datagram) {
  datagram.proto = tuple.proto;
  datagram.src_port = tuple.src_port;
  datagram.dst_port = tuple.dst_port;
  for (rte_mbuf* mbuf = datagram.held.first; mbuf != nullptr; mbuf = mbuf->next)
    write_handover_note(mbuf, followed_note(read_handover_note(mbuf).port, tuple));
  worker.datagrams.release(datagram);
  worker.datagrams.decide(datagram, DatagramState::followed, worker.clock.now32_ms());
}

// RFC 5722: nothing of such a datagram passes any more. A mere duplicate ends alone (RFC 8200 section 4.5).
void refuse_overlap(Worker& worker, Burst& burst, unsigned i, Datagram& datagram) {
  give_up_held(worker, datagram, DropReason::fragment_overlap);
  worker.datagrams.decide(datagram, DatagramState::refused, worker.clock.now32_ms());
  drop_packet(worker, burst, i, DropReason::fragment_overlap);
}

// Of a datagram that this worker keeps.
void place_fragment(Worker& worker, Burst& burst, unsigned i, const Tuple& tuple, const Fragment& fragment, bool ours) {
  DatagramTable& table = worker.datagrams;
  make_room(worker);
  const TableKey key = key_of(worker, tuple, fragment);
  Datagram* found = table.find(key);
  Datagram& datagram = found != nullptr ? *found : table.add(key, ours, worker.clock.now32_ms());
  if (datagram.state == DatagramState::refused) return drop_packet(worker, burst, i, DropReason::fragment_overlap);
  switch (datagram.coverage.add(fragment.place)) {
    case FragmentCoverage::Added::duplicate:
      return drop_packet(worker, burst, i, DropReason::fragment_overlap);
    case FragmentCoverage::Added::overlap:
      return refuse_overlap(worker, burst, i, datagram);
    case FragmentCoverage::Added::full:
      return drop_packet(worker, burst, i, DropReason::fragment_full);
    case FragmentCoverage::Added::fresh:
      break;
  }
  if (burst.info[i].fragment == FragmentPart::first) learn_ports(worker, tuple, datagram);
  if (datagram.state == DatagramState::waiting) return hold(worker, burst, i, datagram);
  go_on(burst, i, datagram.proto, datagram.src_port, datagram.dst_port);
  if (datagram.coverage.complete()) table.remove(datagram);
}

void follow_fragment(Worker& worker, Burst& burst, unsigned i) {
  PacketInfo& info = burst.info[i];
  rte_mbuf* mbuf = burst.mbufs[i];
  if (info.followed) {
    const HandoverNote note = read_handover_note(mbuf);
    return go_on(burst, i, note.proto, note.src_port, note.dst_port);
  }
  const Tuple tuple = tuple_of(burst, i);
  const Claim claim = claim_of(worker, tuple);
  const Fragment fragment = read_fragment(burst, i);
  const WorkerIndex owner = worker.state.owner->of_datagram(tuple.src, tuple.dst, fragment.id);
  if (claim != Claim::kernels && owner == worker.self)
    return place_fragment(worker, burst, i, tuple, fragment, claim == Claim::ours);
  info.kind = PacketKind::done;
  if (claim == Claim::kernels) return divert_packet(worker, mbuf, info.port);
  handover_fragment(worker, mbuf, info.port, owner);
}

}  // namespace

void follow_fragments(Worker& worker, Burst& burst) {
  burst.has_fragments = false;
  for (unsigned i = 0; i < burst.count; ++i)
    if (burst.info[i].kind == PacketKind::fragment) follow_fragment(worker, burst, i);
  count_held(worker);
}

unsigned take_ready_fragments(Worker& worker, Burst& burst) {
  unsigned count = 0;
  while (burst.count < kBurstMax && worker.datagrams.has_ready()) {
    rte_mbuf* mbuf = worker.datagrams.take_ready();
    burst.mbufs[burst.count] = mbuf;
    burst.info[burst.count++] = PacketInfo{.port = read_handover_note(mbuf).port, .followed = true};
    ++count;
  }
  count_held(worker);
  return count;
}

void expire_fragments(Worker& worker) {
  const Ms now_ms = worker.clock.now32_ms();
  DatagramTable& table = worker.datagrams;
  for (unsigned count = 0; count < kExpiriesPerCall; ++count) {
    Datagram* waiting = table.oldest_waiting();
    if (waiting == nullptr || ms_after(waiting->deadline_ms, now_ms)) break;
    give_up(worker, *waiting, DropReason::fragment_timeout);
  }
  for (unsigned count = 0; count < kExpiriesPerCall; ++count) {
    Datagram* decided = table.oldest_decided();
    if (decided == nullptr || ms_after(decided->deadline_ms, now_ms)) break;
    table.remove(*decided);
  }
  count_held(worker);
}

}  // namespace millrace
