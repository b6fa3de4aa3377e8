// act.cpp: fourth stage: decides. A hit in a settled state needs no decision; a miss is opened, handed over, diverted
// or dropped.
// Route:  lookup_burst > act_burst > rewrite_burst; a miss: act_burst > whose_packet > open_connection
// Tests:  tests/unit/stages/act_test.cpp

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <cstddef>
#include <cstring>

#include "dataplane/stages/backend_choice.h"
#include "dataplane/stages/checksum.h"
#include "dataplane/stages/connection.h"
#include "dataplane/stages/direct_flow.h"
#include "dataplane/stages/handshake_watch.h"
#include "dataplane/stages/notes.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/prefetch_entry.h"
#include "dataplane/stages/proxy_accept.h"
#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_splice.h"
#include "dataplane/stages/rate_limits.h"
#include "dataplane/stages/slow_path.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/tcp_segment.h"
#include "dataplane/stages/udp_session.h"
#include "dataplane/stages/whose_packet.h"
#include "dataplane/tcp/reset_check.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

// Without any of these a segment of an established connection changes nothing.
constexpr uint8_t kTcpDeciding = kTcpSyn | kTcpFin | kTcpRst;

void divert(Worker& worker, Burst& burst, unsigned i) {
  burst.info[i].kind = PacketKind::done;
  divert_packet(worker, burst.mbufs[i], burst.info[i].port);
}

// In software, and only for packets that would make a connection or belong to a proxied handshake. An established one's
// checksum is updated, not computed: what was wrong stays wrong, and the end host, whose judgement it is, sees it.
bool checksum_is_wrong(const Burst& burst, unsigned i) {
  const PacketInfo& info = burst.info[i];
  const auto* frame = rte_pktmbuf_mtod(burst.mbufs[i], const uint8_t*);
  const uint8_t* l3 = frame + sizeof(rte_ether_hdr);
  const uint8_t* l4 = frame + info.l4_offset;
  // Of a fragment only its receiver can tell, but for the one that must not be absent (RFC 8200 section 8.1).
  if (info.fragment != FragmentPart::none) return info.family == Family::ipv6 && udp_checksum_absent(l4);
  uint16_t l4_bytes = static_cast<uint16_t>(info.ip_bytes - (l4 - l3));
  if (info.proto == Proto::udp) l4_bytes = Be16{reinterpret_cast<const rte_udp_hdr*>(l4)->dgram_len}.host();
  const auto proto = static_cast<uint8_t>(info.proto);
  if (info.family == Family::ipv4)
    return !l4_checksum_valid(*reinterpret_cast<const rte_ipv4_hdr*>(l3), proto, l4, l4_bytes);
  return !l4_checksum_valid(*reinterpret_cast<const rte_ipv6_hdr*>(l3), proto, l4, l4_bytes);
}

// An IPv6 tuple is in the table as a digest.
inline bool is_hit(const Worker& worker, const Burst& burst, unsigned i) {
  const ConnRef& ref = burst.conns[i];
  if (!ref.found() || burst.info[i].family == Family::ipv4) return ref.found();
  return is_key_of(burst.key6[i], worker.slab[ref.index], ref.direction);
}

// A reset by the backend is what passive health checks live on.
void note_reset(Worker& worker, const ConnEntry& entry) {
  BackendCounters& counters = worker.backend_counters[raw(entry.backend)];
  if (entry.state == ConnState::syn_sent) {
    counters.connect_failures.add(1);
    note_backend(worker, NoteKind::connect_failed, entry.service, entry.backend);
  } else {
    counters.resets.add(1);
    note_backend(worker, NoteKind::backend_reset, entry.service, entry.backend);
  }
}

// Of a UDP session. Without a branch: directions change from packet to packet.
inline bool is_first_answer(const ConnEntry& entry, Direction direction) {
  return (static_cast<unsigned>(direction) & static_cast<unsigned>(entry.backend_seen_ms == entry.opened_ms)) != 0;
}

bool reopens(const ConnEntry& entry, const TcpSegment& segment) {
  if (entry.state == ConnState::time_wait) return entry.spliced != 0 || is_newer_syn(entry, segment.seq);
  return entry.state == ConnState::closed;
}

// What a later RST, FIN or SYN is held against. Spliced connections have all numbers in their Splice.
void remember_numbers(ConnEntry& entry, Direction from, const TcpSegment& segment) {
  if (entry.spliced != 0) return;
  if (entry.state == ConnState::time_wait)
    remember_client_end(entry, from == Direction::forward ? segment.end() : segment.ack);
  else if (segment.has(kTcpAck) && !segment.has(kTcpRst))
    remember_ack(entry, from, segment.ack);
}

// False: the packet is the first of a new connection on this one's tuple.
bool act_on_tcp(Worker& worker, const Burst& burst, unsigned i) {
  const ConnRef& ref = burst.conns[i];
  ConnEntry& entry = worker.slab[ref.index];
  const TcpSegment segment = tcp_segment(burst, i);
  const TcpEvent event = tcp_event(segment.flags);
  if (event == TcpEvent::syn && ref.direction == Direction::forward && reopens(entry, segment)) return false;
  if (entry.state == ConnState::syn_sent && ref.direction == Direction::reverse &&
      (event == TcpEvent::syn_ack || event == TcpEvent::rst))
    end_handshake_watch(worker, entry, entry.opened_ms, event == TcpEvent::syn_ack);
  ConnState next = next_state(entry.state, ref.direction, event);
  // Both ends know the numbers better: what looks forged goes on to them, and changes nothing here.
  const bool ends = event == TcpEvent::rst || event == TcpEvent::fin;
  if (ends && next != entry.state && entry.spliced == 0 &&
      !ends_connection(entry, ref.direction, segment.seq, event == TcpEvent::rst)) {
    worker.counters.implausible_ends.add(1);
    next = entry.state;
  }
  const bool was_time_wait = entry.state == ConnState::time_wait;
  if (next != entry.state) {
    if (event == TcpEvent::rst && ref.direction == Direction::reverse) note_reset(worker, entry);
    set_state(worker, entry, next);
    arm_connection(worker, ref.index);
  }
  if (!was_time_wait || next != ConnState::time_wait) remember_numbers(entry, ref.direction, segment);
  return true;
}

// False: the datagram is the first of a new session, or comes after the last answer.
bool act_on_udp(Worker& worker, const ConnRef& ref, ConnEntry& entry) {
  if (must_move(worker, entry, ref.direction)) {
    count_moved(worker, entry);
    return false;
  }
  return entry.state == ConnState::open || count_datagram(worker, ref, entry);
}

// Without a branch: directions change from packet to packet.
inline void set_seen(ConnEntry& entry, Direction from, Ms now_ms) {
  static_assert(offsetof(ConnEntry, backend_seen_ms) == offsetof(ConnEntry, client_seen_ms) + sizeof now_ms);
  const size_t offset = offsetof(ConnEntry, client_seen_ms) + static_cast<size_t>(from) * sizeof now_ms;
  std::memcpy(reinterpret_cast<uint8_t*>(&entry) + offset, &now_ms, sizeof now_ms);
}

bool act_on_hit(Worker& worker, const Burst& burst, unsigned i) {
  const ConnRef& ref = burst.conns[i];
  const PacketInfo& info = burst.info[i];
  ConnEntry& entry = worker.slab[ref.index];
  const Ms now_ms = worker.clock.now32_ms();
  // A UDP backend's first answer starts its idle timeout, which may be the shorter one.
  const bool first_answer = info.proto == Proto::udp && is_first_answer(entry, ref.direction);
  if (info.proto == Proto::tcp ? !act_on_tcp(worker, burst, i) : !act_on_udp(worker, ref, entry)) return false;
  set_seen(entry, ref.direction, now_ms);
  if (first_answer) arm_connection(worker, ref.index);
  return true;
}

// Of packets that would begin a connection; those of one that lives are not asked again.
bool is_denied(Worker& worker, const Tuple& tuple, const ServiceTables& service) {
  if (!service.access || service.access->allows(tuple.src)) return false;
  worker.service_counters[raw(service.slot)].denied.add(1);
  return true;
}

void open_for(Worker& worker, Burst& burst, unsigned i, const Tuple& tuple, const ServiceTables& service) {
  const PacketInfo& info = burst.info[i];
  const bool is_tcp = info.proto == Proto::tcp;
  const bool is_syn = is_tcp && tcp_event(info.tcp_flags) == TcpEvent::syn;
  const bool direct = is_direct(service.mode);
  if (info.fragment == FragmentPart::later) return drop_packet(worker, burst, i, DropReason::fragment_orphan);
  const bool may_begin = is_syn || accepts_cookies(worker, service);
  if (is_tcp && !direct && (!may_begin || info.fragment != FragmentPart::none))
    return drop_packet(worker, burst, i, DropReason::no_connection);
  if (is_denied(worker, tuple, service)) return drop_packet(worker, burst, i, DropReason::access_denied);
  if (checksum_is_wrong(burst, i)) return drop_packet(worker, burst, i, DropReason::bad_l4_checksum);
  if (const auto over = limit_packet(worker, service, tuple.src)) return drop_packet(worker, burst, i, *over);
  // A client that is asked for a proof has not come in before it gave one: forged SYNs must not take tokens from others.
  if (is_syn && !direct && answers_with_cookies(worker, service)) return answer_syn(worker, burst, i, tuple, service);
  if (is_tcp && !is_syn && !direct) return accept_client(worker, burst, i, tuple, service);
  // Of a flow without an entry any segment may come here; its SYN alone begins it.
  if (is_syn || !is_tcp)
    if (const auto over = limit_connection(worker, service, tuple.src)) return drop_packet(worker, burst, i, *over);
  if (direct) {
    const std::optional<DropReason> refused = open_direct(worker, burst, i, tuple, service);
    if (refused) drop_packet(worker, burst, i, *refused);
    return;
  }
  const std::optional<DropReason> refused = open_connection(worker, tuple, service, burst.conns[i]);
  if (refused) return drop_packet(worker, burst, i, *refused);
  if (is_syn) remember_syn(worker.slab[burst.conns[i].index], tcp_segment(burst, i).seq);
}

void act_on_miss(Worker& worker, Burst& burst, unsigned i) {
  const PacketInfo& info = burst.info[i];
  const Tuple tuple = tuple_of(burst, i);
  const Belonging belonging = whose_packet(worker, tuple);
  if (belonging.whose == Whose::kernel) return divert(worker, burst, i);
  if (belonging.whose == Whose::our_address) return drop_packet(worker, burst, i, DropReason::no_service);
  if (belonging.owner != worker.self) {
    // Workers disagree only while one has the new configuration and the other not yet; it must not go round.
    if (info.handed) return drop_packet(worker, burst, i, DropReason::no_connection);
    burst.info[i].kind = PacketKind::done;
    if (info.fragment != FragmentPart::none) return handover_followed(worker, burst, i, belonging.owner);
    return handover_packet(worker, burst.mbufs[i], info.port, belonging.owner);
  }
  switch (belonging.whose) {
    case Whose::service:
      return open_for(worker, burst, i, tuple, *belonging.service);
    case Whose::snat_reply:
      if (belonging.kernel_owned) return divert(worker, burst, i);
      return drop_packet(worker, burst, i, DropReason::no_connection);
    case Whose::nat_reply:  // the backend's own traffic, which happens to be routed through us
    case Whose::our_address:
    case Whose::kernel:
      return divert(worker, burst, i);
  }
}

ConnRef find_again(const Worker& worker, const Burst& burst, unsigned i) {
  return burst.info[i].family == Family::ipv4 ? worker.table.find4(burst.key4[i]) : worker.table.find6(burst.key6[i]);
}

void act_on_flow(Worker& worker, Burst& burst, unsigned i) {
  ConnRef& ref = burst.conns[i];
  const bool was_found = ref.found();
  if (was_found ? worker.closed_in_burst : worker.opened_in_burst) ref = find_again(worker, burst, i);
  // Another IPv6 connection has this one's digest; its place in the table is taken.
  if (ref.found() && !is_hit(worker, burst, i)) return drop_packet(worker, burst, i, DropReason::table_full);
  if (!was_found && ref.found() && limit_newcomer(worker, burst, i)) return;
  if (ref.found()) {
    // Before the splice we are the end that has to see what is wrong: it might choose a backend, or be kept.
    if (in_handshake(worker.slab[ref.index])) {
      if (burst.info[i].fragment != FragmentPart::none) return drop_packet(worker, burst, i, DropReason::fragment);
      if (checksum_is_wrong(burst, i)) return drop_packet(worker, burst, i, DropReason::bad_l4_checksum);
    }
    if (worker.slab[ref.index].spliced != 0 && act_on_spliced(worker, burst, i) != SpliceVerdict::decide) return;
    const bool direct = is_direct(worker.slab[ref.index].mode);
    if (direct ? act_on_direct(worker, burst, i) : act_on_hit(worker, burst, i)) return;
    close_connection(worker, ref.index, FlowEnd::replaced);
    ref = ConnRef{};
  }
  act_on_miss(worker, burst, i);
}

// Goes where the connection goes, and changes nothing of it: its first fragment has.
void act_on_trailing(Worker& worker, Burst& burst, unsigned i) {
  burst.conns[i] = find_again(worker, burst, i);
  if (!is_hit(worker, burst, i)) return act_on_miss(worker, burst, i);
  const ConnEntry& entry = worker.slab[burst.conns[i].index];
  if (in_handshake(entry)) return drop_packet(worker, burst, i, DropReason::fragment);
  if (!is_direct(entry.mode)) return;
  worker.counters.fragments_followed.add(1);
  burst.info[i].kind = PacketKind::direct;
}

// Established, or a UDP session with nothing to count and nowhere to go.
inline bool is_settled(const Worker& worker, const ConnEntry& entry, const PacketInfo& info, Direction direction) {
  if (entry.state == ConnState::established) return (info.tcp_flags & kTcpDeciding) == 0;
  return entry.state == ConnState::open && !is_first_answer(entry, direction) && !must_move(worker, entry, direction);
}

// Nearly every packet: one of an open connection in a settled state. True when that was it.
inline bool act_on_settled(Worker& worker, Burst& burst, unsigned i) {
  const ConnRef& ref = burst.conns[i];
  if (!ref.found() || worker.closed_in_burst || !is_hit(worker, burst, i)) return false;
  ConnEntry& entry = worker.slab[ref.index];
  if (!is_settled(worker, entry, burst.info[i], ref.direction)) return false;
  if (entry.spliced != 0) {
    if (!pass_spliced(worker, burst, i)) return true;
  } else if (is_direct(entry.mode)) {
    return act_on_direct(worker, burst, i);
  } else if (burst.info[i].proto == Proto::tcp) {
    const auto* tcp = rte_pktmbuf_mtod_offset(burst.mbufs[i], const rte_tcp_hdr*, burst.info[i].l4_offset);
    remember_ack(entry, ref.direction, Be32{tcp->recv_ack}.host());
  }
  set_seen(entry, ref.direction, worker.clock.now32_ms());
  return true;
}

// Unsound packets to what is ours end here; others are the kernel's to judge.
void act_on_suspect(Worker& worker, Burst& burst, unsigned i) {
  const Belonging belonging = whose_packet(worker, tuple_of(burst, i));
  if (belonging.whose == Whose::kernel) return divert(worker, burst, i);
  drop_packet(worker, burst, i, burst.info[i].reason);
}

// Out of the way of the loop above all others.
[[gnu::noinline]] void act_on_other(Worker& worker, Burst& burst, unsigned i) {
  switch (burst.info[i].kind) {
    case PacketKind::flow:
      return act_on_flow(worker, burst, i);
    case PacketKind::trailing:
      return act_on_trailing(worker, burst, i);
    case PacketKind::icmp:
      return handle_icmp(worker, burst, i);
    case PacketKind::arp:
      return handle_arp(worker, burst, i);
    case PacketKind::suspect:
      return act_on_suspect(worker, burst, i);
    case PacketKind::fragment:
    case PacketKind::direct:
    case PacketKind::broken:
    case PacketKind::tagged:
    case PacketKind::other:
    case PacketKind::done:
      return;
  }
}

}  // namespace

void act_burst(Worker& worker, Burst& burst) {
  worker.opened_in_burst = worker.closed_in_burst = false;
  worker.any_lost = worker.snapshot->any_lost;
  if (worker.snapshot->any_packet_rate) limit_burst(worker, burst);
  for (unsigned i = 0; i < burst.count; ++i) {
    if (i + kEntriesAhead < burst.count) prefetch_entry(worker, burst, i + kEntriesAhead);
    if (burst.info[i].kind != PacketKind::flow || !act_on_settled(worker, burst, i)) [[unlikely]]
      act_on_other(worker, burst, i);
  }
}

}  // namespace millrace
