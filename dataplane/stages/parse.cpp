// parse.cpp: second stage: reads L2, L3 and L4 headers, bounds-checked; trusts nothing.
// Route:  poll_burst > parse_burst > lookup_burst
// Fails:  with a named reason. One about IP itself drops at once; whether one about L4 drops depends on whose packet it
//         is, which act_burst finds out.
// Tests:  tests/unit/stages/parse_test.cpp, tests/fuzz/parse_fuzz.cpp

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

constexpr unsigned kPrefetchAhead = 4;  // frames in flight from memory while one is read
constexpr unsigned kIcmpHeaderBytes = 8;
constexpr uint16_t kMoreFragmentsOrOffset = 0x3fff;

// As PortFacts has it.
uint64_t mac_word(const rte_ether_addr& addr) {
  uint64_t word = 0;
  std::memcpy(&word, addr.addr_bytes, sizeof addr.addr_bytes);
  return word;
}

void set_broken(PacketInfo& info, DropReason reason) {
  info.kind = PacketKind::broken;
  info.reason = reason;
}

void set_suspect(PacketInfo& info, DropReason reason) {
  info.kind = PacketKind::suspect;
  info.reason = reason;
}

bool tcp_is_sound(const uint8_t* l4, unsigned l4_bytes, PacketInfo& info) {
  const auto& tcp = *reinterpret_cast<const rte_tcp_hdr*>(l4);
  const unsigned header_bytes = (tcp.data_off >> 4) * 4u;
  info.tcp_flags = tcp.tcp_flags;
  if (header_bytes < sizeof tcp || header_bytes > l4_bytes)
    set_suspect(info, DropReason::bad_data_offset);
  else if (impossible_flags(tcp.tcp_flags))
    set_suspect(info, DropReason::bad_tcp_flags);
  return info.kind == PacketKind::flow;
}

bool udp_is_sound(const uint8_t* l4, unsigned l4_bytes, PacketInfo& info) {
  const unsigned udp_bytes = Be16{reinterpret_cast<const rte_udp_hdr*>(l4)->dgram_len}.host();
  // Less than the packet is allowed: the surplus belongs to whoever uses it (RFC 9868).
  if (udp_bytes < sizeof(rte_udp_hdr) || udp_bytes > l4_bytes) set_suspect(info, DropReason::bad_udp_length);
  return info.kind == PacketKind::flow;
}

// TCP, UDP or ICMP behind the IP header; all l4_bytes lie in the frame. `key` has its addresses.
template <typename Key>
[[gnu::always_inline]] inline void parse_l4(const uint8_t* l4, unsigned l4_bytes, uint8_t proto, PacketInfo& info,
                                            Key& key) {
  const uint8_t icmp = info.family == Family::ipv4 ? uint8_t{IPPROTO_ICMP} : uint8_t{IPPROTO_ICMPV6};
  if (proto == icmp) {
    if (l4_bytes < kIcmpHeaderBytes) return set_suspect(info, DropReason::short_l4);
    info.kind = PacketKind::icmp;
    info.icmp_type = l4[0];
    return;
  }
  if (proto != IPPROTO_TCP && proto != IPPROTO_UDP) return set_suspect(info, DropReason::unknown_proto);
  info.proto = static_cast<Proto>(proto);
  key.proto = proto;
  if (l4_bytes < (proto == IPPROTO_TCP ? sizeof(rte_tcp_hdr) : sizeof(rte_udp_hdr)))
    return set_suspect(info, DropReason::short_l4);
  std::memcpy(&key.src_port, l4, sizeof key.src_port);
  std::memcpy(&key.dst_port, l4 + sizeof key.src_port, sizeof key.dst_port);
  info.kind = PacketKind::flow;
  if (proto == IPPROTO_TCP ? !tcp_is_sound(l4, l4_bytes, info) : !udp_is_sound(l4, l4_bytes, info)) return;
  if (key.src_port.raw == 0 || key.dst_port.raw == 0) return set_suspect(info, DropReason::zero_port);
  if (key.src_port == key.dst_port && key.src == key.dst) return set_suspect(info, DropReason::land);
}

// RFC 1812 section 5.3.7: these are nobody's source address.
inline bool bad_source4(Be32 src) {
  const uint32_t host = src.host();
  return (host >> 24) == 0 || (host >> 24) == 127 || (host >> 28) >= 0xe;
}

// Multicast, loopback, IPv4-mapped (RFC 4291). Unspecified is right for ICMPv6 alone: duplicate address detection.
[[gnu::always_inline]] inline bool bad_source6(const IpAddr& src, bool icmp) {
  return src.is_multicast() || src.is_ipv4() || src.is_loopback() || (src.is_any() && !icmp);
}

[[gnu::always_inline]] inline void parse_ipv4(const uint8_t* l3, unsigned l3_bytes, PacketInfo& info, FlowKey4& key) {
  if (l3_bytes < sizeof(rte_ipv4_hdr)) return set_broken(info, DropReason::short_l3);
  const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(l3);
  if (ip.version != 4) return set_broken(info, DropReason::bad_ip_version);
  const unsigned header_bytes = ip.ihl * 4u;
  const unsigned total_bytes = Be16{ip.total_length}.host();
  if (header_bytes < sizeof ip || header_bytes > l3_bytes) return set_broken(info, DropReason::bad_ihl);
  if (total_bytes < header_bytes || total_bytes > l3_bytes) return set_broken(info, DropReason::bad_ip_length);
  if (!ipv4_header_checksum_valid(ip)) return set_broken(info, DropReason::bad_ip_checksum);
  info.family = Family::ipv4;
  info.l4_offset = static_cast<uint16_t>(sizeof(rte_ether_hdr) + header_bytes);
  info.ip_bytes = static_cast<uint16_t>(total_bytes);
  key = FlowKey4{.src = Be32{ip.src_addr}, .dst = Be32{ip.dst_addr}};
  if ((Be16{ip.fragment_offset}.host() & kMoreFragmentsOrOffset) != 0) return set_suspect(info, DropReason::fragment);
  parse_l4(l3 + header_bytes, total_bytes - header_bytes, ip.next_proto_id, info, key);
  if (bad_source4(key.src)) set_suspect(info, DropReason::bad_source);
}

// RFC 8200 section 4, and those of RFC 4302, 6275, 7401, 5533.
bool is_extension_header(uint8_t next_header) {
  switch (next_header) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_AH:
    case IPPROTO_DSTOPTS:
    case IPPROTO_MH:
    case 139:  // HIP
    case 140:  // Shim6
      return true;
    default:
      return false;
  }
}

[[gnu::always_inline]] inline void parse_ipv6(const uint8_t* l3, unsigned l3_bytes, PacketInfo& info, FlowKey6& key) {
  if (l3_bytes < sizeof(rte_ipv6_hdr)) return set_broken(info, DropReason::short_l3);
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(l3);
  if (l3[0] >> 4 != 6) return set_broken(info, DropReason::bad_ip_version);
  const unsigned payload_bytes = Be16{ip.payload_len}.host();
  if (sizeof ip + payload_bytes > l3_bytes) return set_broken(info, DropReason::bad_ip_length);
  info.family = Family::ipv6;
  info.l4_offset = sizeof(rte_ether_hdr) + sizeof ip;
  info.ip_bytes = static_cast<uint16_t>(sizeof ip + payload_bytes);
  key = FlowKey6{};
  std::memcpy(key.src.data(), ip.src_addr, key.src.size());
  std::memcpy(key.dst.data(), ip.dst_addr, key.dst.size());
  // An IPv4-mapped destination never stands on a wire; here it would be taken for the IPv4 address.
  if (IpAddr{key.dst}.is_ipv4()) return;
  if (ip.proto == IPPROTO_FRAGMENT)
    set_suspect(info, DropReason::fragment);
  else if (is_extension_header(ip.proto))
    set_suspect(info, DropReason::ip_extension);
  else
    parse_l4(l3 + sizeof ip, payload_bytes, ip.proto, info, key);
  if (bad_source6(IpAddr{key.src}, info.kind == PacketKind::icmp)) set_suspect(info, DropReason::bad_source);
}

[[gnu::always_inline]] inline void parse_frame_inline(const rte_mbuf& mbuf, PacketInfo& info, FlowKey4& key4,
                                                      FlowKey6& key6) {
  const auto* frame = rte_pktmbuf_mtod(&mbuf, const uint8_t*);
  const unsigned frame_bytes = rte_pktmbuf_data_len(&mbuf);
  if (frame_bytes < sizeof(rte_ether_hdr)) return set_broken(info, DropReason::short_l2);
  const uint8_t* l3 = frame + sizeof(rte_ether_hdr);
  const unsigned l3_bytes = frame_bytes - static_cast<unsigned>(sizeof(rte_ether_hdr));
  info.kind = PacketKind::other;
  switch (Be16{reinterpret_cast<const rte_ether_hdr*>(frame)->ether_type}.host()) {
    case RTE_ETHER_TYPE_IPV4:
      parse_ipv4(l3, l3_bytes, info, key4);
      break;
    case RTE_ETHER_TYPE_IPV6:
      parse_ipv6(l3, l3_bytes, info, key6);
      break;
    case RTE_ETHER_TYPE_ARP:
      info.kind = PacketKind::arp;
      return;
    default:
      return;
  }
  // Only NICs that check L4 say so. For all others see checksum_is_wrong in act.cpp.
  if (info.kind == PacketKind::flow && (mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
    set_suspect(info, DropReason::bad_l4_checksum);
}

// On a wire shared with others, and on af_packet, frames turn up that are not to this host: for another MAC, or sent
// by our own kernel. They are the kernel's business. Ports without a kernel side take whatever they get.
bool is_for_this_host(const PortFacts& port, const rte_mbuf& mbuf) {
  if (!port.shares_wire || rte_pktmbuf_data_len(&mbuf) < sizeof(rte_ether_hdr)) return true;
  const auto* ether = rte_pktmbuf_mtod(&mbuf, const rte_ether_hdr*);
  if (mac_word(ether->src_addr) == port.mac_word) return false;
  return mac_word(ether->dst_addr) == port.mac_word || rte_is_multicast_ether_addr(&ether->dst_addr);
}

void parse_packet(Worker& worker, Burst& burst, unsigned i) {
  rte_mbuf* mbuf = burst.mbufs[i];
  PacketInfo& info = burst.info[i];
  if (mbuf->nb_segs != 1 && rte_pktmbuf_linearize(mbuf) != 0) {
    drop_packet(worker, mbuf, DropReason::no_mbuf);
    info.kind = PacketKind::done;
    return;
  }
  if (is_for_this_host(worker.port_facts[raw(info.port)], *mbuf))
    parse_frame_inline(*mbuf, info, burst.key4[i], burst.key6[i]);
  if (info.kind == PacketKind::broken) {
    drop_packet(worker, mbuf, info.reason);
    info.kind = PacketKind::done;
  } else if (info.kind == PacketKind::other) {
    divert_packet(worker, mbuf, info.port);
    info.kind = PacketKind::done;
  }
}

}  // namespace

void parse_frame(const rte_mbuf& mbuf, PacketInfo& info, FlowKey4& key4, FlowKey6& key6) {
  parse_frame_inline(mbuf, info, key4, key6);
}

void parse_burst(Worker& worker, Burst& burst) {
  for (unsigned i = 0; i < burst.count && i < kPrefetchAhead; ++i)
    rte_prefetch0(rte_pktmbuf_mtod(burst.mbufs[i], const void*));
  for (unsigned i = 0; i < burst.count; ++i) {
    if (i + kPrefetchAhead < burst.count) rte_prefetch0(rte_pktmbuf_mtod(burst.mbufs[i + kPrefetchAhead], const void*));
    parse_packet(worker, burst, i);
  }
}

}  // namespace millrace
