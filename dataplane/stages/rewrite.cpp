// rewrite.cpp: fifth stage: translates addresses and ports, and sends the packet on its way.
// Route:  act_burst > rewrite_burst > find_hop, send_along > transmit_packet
// Tests:  tests/unit/stages/rewrite_test.cpp

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/cut_packet.h"
#include "dataplane/stages/direct_forward.h"
#include "dataplane/stages/egress.h"
#include "dataplane/stages/next_hop.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/slow_path.h"
#include "dataplane/stages/splice_timestamps.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/tcp/splice_translate.h"

namespace millrace {
namespace {

template <Family kFamily>
using IpHeader = std::conditional_t<kFamily == Family::ipv4, rte_ipv4_hdr, rte_ipv6_hdr>;

uint8_t& ttl_of(rte_ipv4_hdr& ip) { return ip.time_to_live; }
uint8_t& ttl_of(rte_ipv6_hdr& ip) { return ip.hop_limits; }

// The entry's pair of that direction; see conn_entry.h. T is the pair as one value.
template <typename T>
T pair_at(const ConnEntry& entry, size_t reverse_pair_offset, Direction direction) {
  T pair;
  const size_t offset = reverse_pair_offset + (direction == Direction::forward ? sizeof pair : 0);
  std::memcpy(&pair, reinterpret_cast<const uint8_t*>(&entry) + offset, sizeof pair);
  return pair;
}

// reverse_delta without a branch: directions change from packet to packet.
uint16_t delta_of(uint16_t forward_delta, Direction direction) {
  return static_cast<uint16_t>(forward_delta ^ (direction == Direction::forward ? 0 : 0xffff));
}

void rewrite_ip(rte_ipv4_hdr& ip, const ConnEntry& entry, Direction direction) {
  const auto addresses = pair_at<uint64_t>(entry, offsetof(ConnEntry, vip4), direction);
  std::memcpy(&ip.src_addr, &addresses, sizeof addresses);
  ip.time_to_live--;
  ip.hdr_checksum = apply_delta(ip.hdr_checksum, checksum_add(delta_of(entry.l3_delta, direction), kTtlDelta));
}

void rewrite_ip(rte_ipv6_hdr& ip, const ConnEntry& entry, Direction direction) {
  struct Addresses {
    uint8_t bytes[32];
  };
  const auto addresses = pair_at<Addresses>(entry, offsetof(ConnEntry, vip6), direction);
  std::memcpy(ip.src_addr, &addresses, sizeof addresses);
  ip.hop_limits--;
}

[[gnu::always_inline]] inline void rewrite_l4(uint8_t* l4, const ConnEntry& entry, const Splice* splice,
                                              Direction direction) {
  const auto ports = pair_at<uint32_t>(entry, offsetof(ConnEntry, vip_port), direction);
  std::memcpy(l4, &ports, sizeof ports);
  uint16_t delta = delta_of(entry.l4_delta, direction);
  if (entry.proto == Proto::tcp) {
    auto& tcp = *reinterpret_cast<rte_tcp_hdr*>(l4);
    if (splice != nullptr) delta = checksum_add(delta, splice_translate(tcp, *splice, direction));
    tcp.cksum = apply_delta(tcp.cksum, delta);
  } else {
    auto& udp = *reinterpret_cast<rte_udp_hdr*>(l4);
    udp.dgram_cksum = apply_udp_delta(udp.dgram_cksum, delta);
  }
}

[[gnu::always_inline]] inline void count_forwarded(Worker& worker, const ConnEntry& entry, Direction direction,
                                                   uint16_t ip_bytes) {
  BackendCounters& counters = worker.backend_counters[raw(entry.backend)];
  const bool forward = direction == Direction::forward;
  (forward ? counters.forward_packets : counters.reverse_packets).add(1);
  (forward ? counters.forward_bytes : counters.reverse_bytes).add(ip_bytes);
}

[[gnu::noinline]] void refuse_too_big(Worker& worker, const Burst& burst, unsigned i, uint16_t mtu_bytes) {
  const ConnRef& ref = burst.conns[i];
  if (worker.slab[ref.index].spliced != 0 && needs_timestamps(worker.splice(ref.index)))
    mtu_bytes = static_cast<uint16_t>(mtu_bytes - kTimestampOptionBytes);
  answer_too_big(worker, burst.mbufs[i], burst.info[i].port, tuple_of(burst, i).dst, mtu_bytes);
}

// Everything but the MAC addresses. A later fragment has no L4 header; the checksum in the first one covers all.
template <Family kFamily, bool kHasL4>
[[gnu::always_inline]] inline void translate(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info, ConnIndex index,
                                             Direction direction) {
  const ConnEntry& entry = worker.slab[index];
  auto* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  rewrite_ip(*reinterpret_cast<IpHeader<kFamily>*>(frame + sizeof(rte_ether_hdr)), entry, direction);
  if (kHasL4)
    rewrite_l4(frame + info.l4_offset, entry, entry.spliced != 0 ? &worker.splice(index) : nullptr, direction);
  // Ethernet padding of a short frame; its port pads again if its medium wants it.
  const uint32_t frame_bytes = static_cast<uint32_t>(sizeof(rte_ether_hdr)) + info.ip_bytes;
  if (mbuf->pkt_len > frame_bytes) rte_pktmbuf_trim(mbuf, static_cast<uint16_t>(mbuf->pkt_len - frame_bytes));
  count_forwarded(worker, entry, direction, info.ip_bytes);
}

// The connection does not know its way yet, or not any more; the packet is too large for it, or a later fragment.
template <Family kFamily>
[[gnu::noinline]] void rewrite_slowly(Worker& worker, const Burst& burst, unsigned i) {
  rte_mbuf* mbuf = burst.mbufs[i];
  auto& ip = *rte_pktmbuf_mtod_offset(mbuf, IpHeader<kFamily>*, sizeof(rte_ether_hdr));
  if (ttl_of(ip) <= 1) return drop_packet(worker, mbuf, DropReason::ttl_expired);
  const PacketInfo& info = burst.info[i];
  const ConnRef& ref = burst.conns[i];
  ConnEntry& entry = worker.slab[ref.index];
  const Hop hop = find_hop(worker, entry, ref.direction);
  if (hop.state == HopState::no_route) return drop_packet(worker, mbuf, DropReason::no_route);
  const uint32_t mtu_bytes = worker.port_facts[raw(hop.port)].mtu_bytes;
  const bool too_big = info.ip_bytes > mtu_bytes;
  if (too_big && !may_cut(reinterpret_cast<const uint8_t*>(&ip)))
    return refuse_too_big(worker, burst, i, static_cast<uint16_t>(mtu_bytes));
  if (info.kind == PacketKind::trailing) {
    worker.counters.fragments_followed.add(1);
    translate<kFamily, false>(worker, mbuf, info, ref.index, ref.direction);
  } else {
    translate<kFamily, true>(worker, mbuf, info, ref.index, ref.direction);
  }
  if (too_big) return send_cut(worker, mbuf, hop, static_cast<uint16_t>(mtu_bytes));
  send_along(worker, mbuf, hop);
}

template <Family kFamily>
void rewrite_packet(Worker& worker, const Burst& burst, unsigned i) {
  rte_mbuf* mbuf = burst.mbufs[i];
  const PacketInfo& info = burst.info[i];
  const Direction direction = burst.conns[i].direction;
  const ConnEntry& entry = worker.slab[burst.conns[i].index];
  auto* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  if (ttl_of(*reinterpret_cast<IpHeader<kFamily>*>(frame + sizeof(rte_ether_hdr))) <= 1) [[unlikely]]
    return drop_packet(worker, mbuf, DropReason::ttl_expired);
  const NextHop hop = cached_hop(worker, entry, direction);
  if (!hop.resolved()) [[unlikely]]
    return rewrite_slowly<kFamily>(worker, burst, i);
  const PortFacts& port = worker.port_facts[raw(hop.port())];
  if (info.ip_bytes > port.mtu_bytes) [[unlikely]]
    return rewrite_slowly<kFamily>(worker, burst, i);
  translate<kFamily, true>(worker, mbuf, info, burst.conns[i].index, direction);
  write_macs(frame, hop, port);
  queue_frame(worker, mbuf, nic_target(hop.port()));
}

void rewrite_trailing(Worker& worker, Burst& burst, unsigned i) {
  if (burst.info[i].family == Family::ipv4)
    rewrite_slowly<Family::ipv4>(worker, burst, i);
  else
    rewrite_slowly<Family::ipv6>(worker, burst, i);
  burst.info[i].kind = PacketKind::done;
}

void rewrite_direct(Worker& worker, Burst& burst, unsigned i) {
  forward_direct(worker, burst.mbufs[i], burst.info[i], worker.slab[burst.conns[i].index]);
  burst.info[i].kind = PacketKind::done;
}

}  // namespace

void rewrite_burst(Worker& worker, Burst& burst) {
  for (unsigned i = 0; i < burst.count; ++i) {
    if (burst.info[i].kind != PacketKind::flow) {
      if (burst.info[i].kind == PacketKind::trailing)
        rewrite_trailing(worker, burst, i);
      else if (burst.info[i].kind == PacketKind::direct)
        rewrite_direct(worker, burst, i);
      continue;
    }
    if (burst.info[i].family == Family::ipv4)
      rewrite_packet<Family::ipv4>(worker, burst, i);
    else
      rewrite_packet<Family::ipv6>(worker, burst, i);
    burst.info[i].kind = PacketKind::done;
  }
}

}  // namespace millrace
