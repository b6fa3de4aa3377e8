#include "dataplane/stages/tunnel_error.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <algorithm>
#include <cstring>

#include "dataplane/stages/connection.h"
#include "dataplane/stages/direct_flow.h"
#include "dataplane/stages/encapsulate.h"
#include "dataplane/stages/icmp_error.h"
#include "dataplane/stages/icmp_packet.h"
#include "dataplane/stages/ip_headers.h"
#include "dataplane/stages/next_hop.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/slow_path.h"
#include "dataplane/stages/whose_packet.h"

namespace millrace {
namespace {

constexpr size_t kPortsBytes = 4;  // what both TCP and UDP begin with

// An IP header inside the frame.
struct Header {
  IpAddr src;
  IpAddr dst;
  uint8_t proto = 0;
  bool later_fragment = false;
  uint16_t packet_bytes = 0;  // as it says
  size_t payload = 0;         // offset behind it
};

// False: it is cut short, or none.
bool read_header4(const uint8_t* data, size_t at, size_t end, Header& header) {
  if (at + sizeof(rte_ipv4_hdr) > end) return false;
  const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(data + at);
  const size_t header_bytes = rte_ipv4_hdr_len(&ip);
  header = {.src = IpAddr::from_ipv4(Be32{ip.src_addr}),
            .dst = IpAddr::from_ipv4(Be32{ip.dst_addr}),
            .proto = ip.next_proto_id,
            .later_fragment = (Be16{ip.fragment_offset}.host() & RTE_IPV4_HDR_OFFSET_MASK) != 0,
            .packet_bytes = Be16{ip.total_length}.host(),
            .payload = at + header_bytes};
  return ip.version == 4 && header_bytes >= sizeof ip;
}

bool read_header6(const uint8_t* data, size_t at, size_t end, Header& header) {
  if (at + sizeof(rte_ipv6_hdr) > end) return false;
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(data + at);
  Ipv6Chain chain;
  if (walk_ipv6_chain(data + at, static_cast<unsigned>(end - at), chain)) return false;
  header = {.proto = chain.proto,
            .later_fragment = chain.is_later_fragment(),
            .packet_bytes = static_cast<uint16_t>(sizeof ip + Be16{ip.payload_len}.host()),
            .payload = at + chain.bytes};
  std::memcpy(header.src.bytes.data(), ip.src_addr, sizeof ip.src_addr);
  std::memcpy(header.dst.bytes.data(), ip.dst_addr, sizeof ip.dst_addr);
  // Mapped addresses are never on a wire; here they would be taken for IPv4.
  return Be32{ip.vtc_flow}.host() >> 28 == 6 && !header.src.is_ipv4() && !header.dst.is_ipv4();
}

bool read_header(Family family, const uint8_t* data, size_t at, size_t end, Header& header) {
  return family == Family::ipv4 ? read_header4(data, at, end, header) : read_header6(data, at, end, header);
}

// Behind the outer IP header: sets where the inner packet begins, and its protocol number. False: no tunnel of ours.
bool enter_tunnel(const uint8_t* data, size_t end, const Header& outer, TunnelQuote& quote, uint8_t& inner_proto) {
  quote.encapsulation = Encapsulation::ip;
  quote.inner_offset = static_cast<uint16_t>(outer.payload);
  inner_proto = outer.proto;
  if (outer.proto == IPPROTO_UDP) {
    const size_t gue = outer.payload + sizeof(rte_udp_hdr);
    if (gue + kGueHeaderBytes > end) return false;
    if (data[gue] != 0 || data[gue + 2] != 0 || data[gue + 3] != 0) return false;
    quote.encapsulation = Encapsulation::gue;
    quote.inner_offset = static_cast<uint16_t>(gue + kGueHeaderBytes);
    inner_proto = data[gue + 1];
  }
  return inner_proto == IPPROTO_IPIP || inner_proto == IPPROTO_IPV6;
}

bool read_inner(const uint8_t* data, size_t end, Family family, TunnelQuote& quote) {
  Header inner;
  if (!read_header(family, data, quote.inner_offset, end, inner) || inner.payload + kPortsBytes > end) return false;
  if ((inner.proto != IPPROTO_TCP && inner.proto != IPPROTO_UDP) || inner.later_fragment) return false;
  quote.inner = {.src = inner.src, .dst = inner.dst, .proto = static_cast<Proto>(inner.proto)};
  std::memcpy(&quote.inner.src_port.raw, data + inner.payload, sizeof quote.inner.src_port.raw);
  std::memcpy(&quote.inner.dst_port.raw, data + inner.payload + 2, sizeof quote.inner.dst_port.raw);
  return true;
}

// RFC 1191 section 4: the lower half of the second word; RFC 4443 section 3.2: all of it.
void read_mtu(const uint8_t* icmp, Family family, TunnelQuote& quote) {
  Be32 word;
  std::memcpy(&word.raw, icmp + 4, sizeof word.raw);
  quote.too_big = family == Family::ipv4 ? icmp[0] == 3 && icmp[1] == 4 : icmp[0] == 2;
  quote.mtu_bytes = family == Family::ipv4 ? word.host() & 0xffff : word.host();
}

// What is left of the frame is the quoted client's packet behind an Ethernet header.
void strip_to_inner(rte_mbuf* mbuf, const TunnelQuote& quote) {
  const auto quoted_bytes = static_cast<uint16_t>(quote.inner_end - quote.inner_offset);
  auto* frame = reinterpret_cast<uint8_t*>(
      rte_pktmbuf_adj(mbuf, static_cast<uint16_t>(quote.inner_offset - sizeof(rte_ether_hdr))));
  const uint16_t type = quote.inner.dst.is_ipv4() ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
  reinterpret_cast<rte_ether_hdr*>(frame)->ether_type = Be16::from_host(type).raw;
  rte_pktmbuf_trim(mbuf, static_cast<uint16_t>(mbuf->pkt_len - sizeof(rte_ether_hdr) - quoted_bytes));
}

void tell_client(Worker& worker, rte_mbuf* mbuf, const TunnelQuote& quote, ConnEntry& flow, uint16_t path_mtu_bytes) {
  if (!take_icmp_token(worker)) return drop_packet(worker, mbuf, DropReason::icmp_rate);
  uint32_t mtu_bytes = path_mtu_bytes - encapsulation_bytes(flow.encapsulation, backend_family(flow));
  if (flow.family == Family::ipv6) mtu_bytes = std::max<uint32_t>(mtu_bytes, kPathMtuMin6);
  strip_to_inner(mbuf, quote);
  const auto refused = make_too_big(*mbuf, quote.inner.dst, static_cast<uint16_t>(mtu_bytes), QuotedPacket::cut_short);
  if (refused) return drop_packet(worker, mbuf, *refused);
  worker.counters.icmp_translated.add(1);
  send_along(worker, mbuf, find_hop(worker, flow, Direction::reverse));
}

void act_on_quote(Worker& worker, rte_mbuf* mbuf, const TunnelQuote& quote, ConnEntry& flow) {
  if (flow.mode != Mode::tunnel || backend_address(flow) != quote.outer_dst ||
      flow.encapsulation != quote.encapsulation)
    return drop_packet(worker, mbuf, DropReason::icmp_unknown_flow);
  // A way that takes what it is said to be too narrow for: whoever says so never saw the packet.
  if (!quote.too_big || quote.mtu_bytes >= quote.outer_bytes)
    return drop_packet(worker, mbuf, DropReason::tunnel_error);
  const uint16_t mtu_bytes = believed_mtu(quote.outer_dst.family(), quote.mtu_bytes);
  if (worker.path_mtus.learn(flow.backend, mtu_bytes, worker.clock.now32_ms())) worker.counters.path_mtu_updates.add(1);
  tell_client(worker, mbuf, quote, flow, mtu_bytes);
}

}  // namespace

QuoteRead read_tunnel_quote(const rte_mbuf& frame, TunnelQuote& quote) {
  IcmpPacket icmp;
  if (read_icmp_packet(frame, icmp)) return QuoteRead::other;
  const auto* data = rte_pktmbuf_mtod(&frame, const uint8_t*);
  const size_t end = size_t{icmp.icmp_offset} + icmp.icmp_bytes;
  Header outer;
  if (!read_header(icmp.family, data, icmp.icmp_offset + sizeof(rte_icmp_hdr), end, outer)) return QuoteRead::other;
  uint8_t inner_proto = 0;
  if (outer.later_fragment || !enter_tunnel(data, end, outer, quote, inner_proto)) return QuoteRead::other;
  quote.outer_src = outer.src;
  quote.outer_dst = outer.dst;
  quote.outer_bytes = outer.packet_bytes;
  quote.inner_end = static_cast<uint16_t>(end);
  read_mtu(data + icmp.icmp_offset, icmp.family, quote);
  const Family inner = inner_proto == IPPROTO_IPIP ? Family::ipv4 : Family::ipv6;
  return read_inner(data, end, inner, quote) ? QuoteRead::whole : QuoteRead::cut_short;
}

bool handle_tunnel_error(Worker& worker, rte_mbuf* mbuf, const PacketInfo& info) {
  TunnelQuote quote;
  const QuoteRead read = read_tunnel_quote(*mbuf, quote);
  if (read == QuoteRead::other) return false;
  const std::optional<OwnedAddress> source = worker.snapshot->vips.find_address(quote.outer_src);
  if (!source || !source->is_snat) return false;
  if (read == QuoteRead::cut_short) {
    drop_packet(worker, mbuf, DropReason::icmp_malformed);
    return true;
  }
  const Belonging belonging = whose_packet(worker, quote.inner);
  if (belonging.whose != Whose::service || belonging.service->mode != Mode::tunnel) return false;
  if (belonging.owner != worker.self && !info.handed) {
    handover_packet(worker, mbuf, info.port, belonging.owner);
    return true;
  }
  const ConnRef ref = find_connection(worker, quote.inner);
  ConnEntry described{};
  if (ref.found())
    act_on_quote(worker, mbuf, quote, worker.slab[ref.index]);
  else if (describe_direct(worker, quote.inner, *belonging.service, described))
    drop_packet(worker, mbuf, DropReason::icmp_unknown_flow);
  else
    act_on_quote(worker, mbuf, quote, described);
  return true;
}

}  // namespace millrace
