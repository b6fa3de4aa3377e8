#include "dataplane/stages/direct_forward.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <algorithm>
#include <optional>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/connection.h"
#include "dataplane/stages/cut_packet.h"
#include "dataplane/stages/egress.h"
#include "dataplane/stages/encapsulate.h"
#include "dataplane/stages/next_hop.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/slow_path.h"
#include "dataplane/tcp/mss_clamp.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

IpAddr vip_of(const ConnEntry& flow) {
  return flow.family == Family::ipv4 ? IpAddr::from_ipv4(flow.vip4) : IpAddr{flow.vip6};
}

uint8_t* ip_header(rte_mbuf* mbuf) { return rte_pktmbuf_mtod_offset(mbuf, uint8_t*, sizeof(rte_ether_hdr)); }

// False: it may not go on.
bool lower_ttl(uint8_t* header, Family family) {
  if (family == Family::ipv4) {
    auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(header);
    if (ip.time_to_live <= 1) return false;
    --ip.time_to_live;
    ip.hdr_checksum = apply_delta(ip.hdr_checksum, kTtlDelta);
    return true;
  }
  auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(header);
  if (ip.hop_limits <= 1) return false;
  --ip.hop_limits;
  return true;
}

// So that replies fit the way that requests go, in both directions of a symmetric network.
void clamp_syn(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info, const ConnEntry& flow, uint32_t limit_bytes) {
  const ServiceTables* service = service_of(worker, flow);
  if (service == nullptr || service->mss_clamp == 0) return;
  const size_t header_bytes =
      (flow.family == Family::ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr)) + sizeof(rte_tcp_hdr);
  auto& tcp = *rte_pktmbuf_mtod_offset(mbuf, rte_tcp_hdr*, info.l4_offset);
  if (clamp_mss(tcp, static_cast<uint16_t>(limit_bytes - header_bytes))) worker.counters.mss_clamped.add(1);
}

bool is_syn(const PacketInfo& info) { return info.proto == Proto::tcp && (info.tcp_flags & kTcpSyn) != 0; }

// A router would send it on to the VIP, that is, back to us.
bool is_off_link(const Worker& worker, const ConnEntry& flow) {
  RouteHop route;
  const IpAddr backend = backend_address(flow);
  return flow.mode == Mode::dsr && worker.routes->lookup(backend, route) && route.next_hop != backend;
}

std::optional<DropReason> find_way(Worker& worker, ConnEntry& flow, Hop& hop) {
  const NextHop cached = cached_hop(worker, flow, Direction::forward);
  if (cached.resolved()) [[likely]] {
    hop = Hop{.state = HopState::ready, .port = cached.port(), .neighbour = cached};
    return std::nullopt;
  }
  // First of all: what find_hop finds the flow remembers.
  if (is_off_link(worker, flow)) return DropReason::dsr_off_link;
  hop = find_hop(worker, flow, Direction::forward);
  return hop.state == HopState::no_route ? std::optional(DropReason::no_route) : std::nullopt;
}

// No IPv6 host makes its packets smaller than 1280 bytes (RFC 8200 section 5).
[[gnu::noinline]] void refuse_too_big(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info, const ConnEntry& flow,
                                      uint32_t limit_bytes) {
  const uint32_t least_bytes = flow.family == Family::ipv4 ? 0 : kPathMtuMin6;
  if (info.ip_bytes <= least_bytes) return drop_packet(worker, mbuf, DropReason::mtu_exceeded);
  answer_too_big(worker, mbuf, info.port, vip_of(flow), static_cast<uint16_t>(std::max(limit_bytes, least_bytes)));
}

void count_forwarded(Worker& worker, const ConnEntry& flow, uint16_t ip_bytes) {
  BackendCounters& counters = worker.backend_counters[raw(flow.backend)];
  counters.forward_packets.add(1);
  counters.forward_bytes.add(ip_bytes);
}

void trim_padding(rte_mbuf* mbuf, uint16_t ip_bytes) {
  const uint32_t frame_bytes = static_cast<uint32_t>(sizeof(rte_ether_hdr)) + ip_bytes;
  if (mbuf->pkt_len > frame_bytes) rte_pktmbuf_trim(mbuf, static_cast<uint16_t>(mbuf->pkt_len - frame_bytes));
}

// What is left of the frame is the IP packet.
bool wrap(rte_mbuf* mbuf, const ConnEntry& flow, uint16_t ip_bytes) {
  if (flow.encapsulation != Encapsulation::none) return encapsulate(*mbuf, flow, ip_bytes);
  trim_padding(mbuf, ip_bytes);
  return true;
}

void send(Worker& worker, rte_mbuf* mbuf, const Hop& hop) {
  if (hop.state != HopState::ready) [[unlikely]]
    return send_along(worker, mbuf, hop);
  write_macs(rte_pktmbuf_mtod(mbuf, uint8_t*), hop.neighbour, worker.port_facts[raw(hop.port)]);
  queue_frame(worker, mbuf, nic_target(hop.port));
}

// Cut before it is wrapped, so that the backend's tunnel need not put outer packets together, which carry DF.
[[gnu::noinline]] void forward_cut(Worker& worker, rte_mbuf* mbuf, uint16_t ip_bytes, const ConnEntry& flow,
                                   const Hop& hop, uint16_t limit_bytes) {
  trim_padding(mbuf, ip_bytes);
  Pieces pieces;
  const unsigned count = cut_packet(worker, mbuf, limit_bytes, pieces);
  for (unsigned i = 0; i < count; ++i) {
    const auto piece_bytes = static_cast<uint16_t>(pieces[i]->pkt_len - sizeof(rte_ether_hdr));
    if (!wrap(pieces[i], flow, piece_bytes)) {
      drop_packet(worker, pieces[i], DropReason::no_mbuf);
      continue;
    }
    count_forwarded(worker, flow, piece_bytes);
    send(worker, pieces[i], hop);
  }
}

}  // namespace

void forward_direct(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info, ConnEntry& flow) {
  Hop hop;
  if (const auto refused = find_way(worker, flow, hop)) return drop_packet(worker, mbuf, *refused);
  const uint32_t way_bytes =
      worker.path_mtus.limit(flow.backend, worker.port_facts[raw(hop.port)].mtu_bytes, worker.clock.now32_ms());
  const uint32_t limit_bytes = way_bytes - encapsulation_bytes(flow.encapsulation, backend_family(flow));
  const bool too_big = info.ip_bytes > limit_bytes;
  if (too_big && !may_cut(ip_header(mbuf))) [[unlikely]]
    return refuse_too_big(worker, mbuf, info, flow, limit_bytes);
  if (!lower_ttl(ip_header(mbuf), flow.family)) return drop_packet(worker, mbuf, DropReason::ttl_expired);
  if (too_big) [[unlikely]]
    return forward_cut(worker, mbuf, info.ip_bytes, flow, hop, static_cast<uint16_t>(limit_bytes));
  if (is_syn(info)) [[unlikely]]
    clamp_syn(worker, mbuf, info, flow, limit_bytes);
  if (!wrap(mbuf, flow, info.ip_bytes)) return drop_packet(worker, mbuf, DropReason::no_mbuf);
  count_forwarded(worker, flow, info.ip_bytes);
  send(worker, mbuf, hop);
}

}  // namespace millrace
