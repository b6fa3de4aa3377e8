// rewrite.cpp: fifth stage: translates addresses and ports, and sends the packet on its way.
// Route:  act_burst > rewrite_burst > find_hop, send_along > transmit_packet
// Tests:  tests/unit/stages/rewrite_test.cpp

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/icmp_error.h"
#include "dataplane/stages/next_hop.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/slow_path.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

template <Family kFamily>
using IpHeader = std::conditional_t<kFamily == Family::ipv4, rte_ipv4_hdr, rte_ipv6_hdr>;

uint8_t& ttl_of(rte_ipv4_hdr& ip) { return ip.time_to_live; }
uint8_t& ttl_of(rte_ipv6_hdr& ip) { return ip.hop_limits; }

void rewrite_ip(rte_ipv4_hdr& ip, const ConnEntry& entry, Direction direction) {
  const bool forward = direction == Direction::forward;
  ip.src_addr = (forward ? entry.snat4 : entry.vip4).raw;
  ip.dst_addr = (forward ? entry.backend4 : entry.client4).raw;
  ip.time_to_live--;
  const uint16_t delta = forward ? entry.l3_delta : reverse_delta(entry.l3_delta);
  ip.hdr_checksum = apply_delta(ip.hdr_checksum, checksum_add(delta, kTtlDelta));
}

void rewrite_ip(rte_ipv6_hdr& ip, const ConnEntry& entry, Direction direction) {
  const bool forward = direction == Direction::forward;
  std::memcpy(ip.src_addr, (forward ? entry.snat6 : entry.vip6).data(), sizeof ip.src_addr);
  std::memcpy(ip.dst_addr, (forward ? entry.backend6 : entry.client6).data(), sizeof ip.dst_addr);
  ip.hop_limits--;
}

void rewrite_l4(uint8_t* l4, const ConnEntry& entry, Direction direction) {
  const bool forward = direction == Direction::forward;
  const uint16_t delta = forward ? entry.l4_delta : reverse_delta(entry.l4_delta);
  const Be16 src_port = forward ? entry.snat_port : entry.vip_port;
  const Be16 dst_port = forward ? entry.backend_port : entry.client_port;
  if (entry.proto == Proto::tcp) {
    auto& tcp = *reinterpret_cast<rte_tcp_hdr*>(l4);
    tcp.src_port = src_port.raw;
    tcp.dst_port = dst_port.raw;
    tcp.cksum = apply_delta(tcp.cksum, delta);
  } else {
    auto& udp = *reinterpret_cast<rte_udp_hdr*>(l4);
    udp.src_port = src_port.raw;
    udp.dst_port = dst_port.raw;
    udp.dgram_cksum = apply_udp_delta(udp.dgram_cksum, delta);
  }
}

void count_forwarded(Worker& worker, const ConnEntry& entry, Direction direction, uint16_t ip_bytes) {
  BackendCounters& counters = worker.backend_counters[raw(entry.backend)];
  if (direction == Direction::forward) {
    counters.forward_packets.add(1);
    counters.forward_bytes.add(ip_bytes);
  } else {
    counters.reverse_packets.add(1);
    counters.reverse_bytes.add(ip_bytes);
  }
}

// The sender learns the MTU (RFC 1191, RFC 4443), or else its large packets would vanish.
void refuse_too_big(Worker& worker, const Burst& burst, unsigned i, uint16_t mtu_bytes) {
  rte_mbuf* mbuf = burst.mbufs[i];
  if (!take_icmp_token(worker)) return drop_packet(worker, mbuf, DropReason::icmp_rate);
  const std::optional<DropReason> refused = make_too_big(*mbuf, tuple_of(burst, i).dst, mtu_bytes);
  if (refused) return drop_packet(worker, mbuf, *refused);
  transmit_packet(worker, mbuf, burst.info[i].port);
}

template <Family kFamily>
void rewrite_packet(Worker& worker, const Burst& burst, unsigned i) {
  rte_mbuf* mbuf = burst.mbufs[i];
  const PacketInfo& info = burst.info[i];
  const Direction direction = burst.conns[i].direction;
  ConnEntry& entry = worker.slab[burst.conns[i].index];
  auto* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  auto& ip = *reinterpret_cast<IpHeader<kFamily>*>(frame + sizeof(rte_ether_hdr));

  if (ttl_of(ip) <= 1) return drop_packet(worker, mbuf, DropReason::ttl_expired);
  const Hop hop = find_hop(worker, entry, direction);
  if (hop.state == HopState::no_route) return drop_packet(worker, mbuf, DropReason::no_route);
  const uint16_t mtu_bytes = worker.state.ports[raw(hop.port)].mtu_bytes;
  if (info.ip_bytes > mtu_bytes) return refuse_too_big(worker, burst, i, mtu_bytes);

  rewrite_ip(ip, entry, direction);
  rewrite_l4(frame + info.l4_offset, entry, direction);
  // Ethernet padding of a short frame; its port pads again if its medium wants it.
  const uint32_t frame_bytes = static_cast<uint32_t>(sizeof(rte_ether_hdr)) + info.ip_bytes;
  if (mbuf->pkt_len > frame_bytes) rte_pktmbuf_trim(mbuf, static_cast<uint16_t>(mbuf->pkt_len - frame_bytes));
  count_forwarded(worker, entry, direction, info.ip_bytes);
  send_along(worker, mbuf, hop);
}

}  // namespace

void rewrite_burst(Worker& worker, Burst& burst) {
  for (unsigned i = 0; i < burst.count; ++i) {
    if (burst.info[i].kind != PacketKind::flow) continue;
    if (burst.info[i].family == Family::ipv4)
      rewrite_packet<Family::ipv4>(worker, burst, i);
    else
      rewrite_packet<Family::ipv6>(worker, burst, i);
    burst.info[i].kind = PacketKind::done;
  }
}

}  // namespace millrace
