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
#include "dataplane/stages/ip_headers.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/untag.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

constexpr unsigned kPrefetchAhead = 4;  // frames in flight from memory while one is read
constexpr unsigned kIcmpHeaderBytes = 8;
constexpr uint16_t kMoreFragmentsOrOffset = 0x3fff;
constexpr unsigned kFragmentUnitBytes = 8;
constexpr unsigned kPacketBytesMax = 65'535;

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
  // Less than the packet is allowed: the surplus belongs to whoever uses it (RFC 9868). More is for the first fragment.
  if (udp_bytes < sizeof(rte_udp_hdr) || (udp_bytes > l4_bytes && info.fragment == FragmentPart::none))
    set_suspect(info, DropReason::bad_udp_length);
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

// What a fragment carries and where it belongs; `data` begins with it.
struct FragmentData {
  const uint8_t* data;
  unsigned data_bytes;
  unsigned offset_units;
  bool more;
};

// RFC 791 section 3.2, RFC 8200 section 4.5: pieces are of whole units but for the last, and fit into a packet.
bool fragment_is_sound(const FragmentData& fragment) {
  if (fragment.data_bytes == 0 || (fragment.more && fragment.data_bytes % kFragmentUnitBytes != 0)) return false;
  return fragment.offset_units * kFragmentUnitBytes + fragment.data_bytes <= kPacketBytesMax;
}

// A first fragment must show all that is translated, and a TCP connection does not begin with one. Later ones must leave
// the TCP header alone (RFC 3128 section 2.1). `proto` of a later IPv6 fragment may be an extension header.
template <typename Key>
void parse_fragment(const FragmentData& fragment, const uint8_t* l4, uint8_t proto, PacketInfo& info, Key& key) {
  const uint8_t icmp = info.family == Family::ipv4 ? uint8_t{IPPROTO_ICMP} : uint8_t{IPPROTO_ICMPV6};
  if (proto == icmp || !fragment_is_sound(fragment)) return set_suspect(info, DropReason::fragment);
  key.proto = proto;
  if (fragment.offset_units != 0) {
    if (proto == IPPROTO_TCP && fragment.offset_units * kFragmentUnitBytes < sizeof(rte_tcp_hdr))
      return set_suspect(info, DropReason::fragment_tiny);
    if (proto != IPPROTO_TCP && proto != IPPROTO_UDP && !is_extension_header(proto))
      return set_suspect(info, DropReason::unknown_proto);
    info.fragment = FragmentPart::later;
    info.kind = PacketKind::fragment;
    return;
  }
  info.fragment = FragmentPart::first;
  parse_l4(l4, static_cast<unsigned>(fragment.data + fragment.data_bytes - l4), proto, info, key);
  if (info.kind == PacketKind::suspect) {
    if (info.reason == DropReason::short_l4 || info.reason == DropReason::bad_data_offset)
      info.reason = DropReason::fragment_tiny;
  } else if (proto == IPPROTO_TCP && (info.tcp_flags & kTcpSyn) != 0) {
    set_suspect(info, DropReason::fragment);
  } else {
    info.kind = PacketKind::fragment;
  }
}

// With options, or a fragment. All lengths are checked.
[[gnu::noinline]] void parse_odd_ipv4(const rte_ipv4_hdr& ip, PacketInfo& info, FlowKey4& key) {
  if (const std::optional<DropReason> refused = check_ipv4_options(ip)) return set_suspect(info, *refused);
  const unsigned header_bytes = rte_ipv4_hdr_len(&ip);
  const unsigned data_bytes = info.ip_bytes - header_bytes;
  const uint8_t* l4 = reinterpret_cast<const uint8_t*>(&ip) + header_bytes;
  const uint16_t flags = Be16{ip.fragment_offset}.host();
  if ((flags & kMoreFragmentsOrOffset) == 0) return parse_l4(l4, data_bytes, ip.next_proto_id, info, key);
  const FragmentData fragment{.data = l4,
                              .data_bytes = data_bytes,
                              .offset_units = flags & uint32_t{RTE_IPV4_HDR_OFFSET_MASK},
                              .more = (flags & RTE_IPV4_HDR_MF_FLAG) != 0};
  parse_fragment(fragment, l4, ip.next_proto_id, info, key);
}

// With extension headers. All of the packet lies in the frame.
[[gnu::noinline]] void parse_odd_ipv6(const uint8_t* l3, PacketInfo& info, FlowKey6& key) {
  Ipv6Chain chain;
  if (const std::optional<DropReason> refused = walk_ipv6_chain(l3, info.ip_bytes, chain))
    return set_suspect(info, *refused);
  info.l4_offset = static_cast<uint16_t>(sizeof(rte_ether_hdr) + chain.bytes);
  const uint8_t* l4 = l3 + chain.bytes;
  if (!chain.is_fragment()) return parse_l4(l4, info.ip_bytes - chain.bytes, chain.proto, info, key);
  const unsigned data_at = chain.fragment_at + static_cast<unsigned>(RTE_IPV6_FRAG_HDR_SIZE);
  const FragmentData fragment{.data = l3 + data_at,
                              .data_bytes = info.ip_bytes - data_at,
                              .offset_units = chain.offset_units,
                              .more = chain.more};
  parse_fragment(fragment, l4, chain.proto, info, key);
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
  const bool is_fragment = (ip.fragment_offset & Be16::from_host(kMoreFragmentsOrOffset).raw) != 0;
  if (is_fragment || header_bytes != sizeof ip) [[unlikely]]
    parse_odd_ipv4(ip, info, key);
  else
    parse_l4(l3 + sizeof ip, total_bytes - static_cast<unsigned>(sizeof ip), ip.next_proto_id, info, key);
  if (bad_source4(key.src)) set_suspect(info, DropReason::bad_source);
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
  // Read from the frame and not from the key, which is still on its way to memory.
  IpAddr src, dst;
  std::memcpy(src.bytes.data(), ip.src_addr, src.bytes.size());
  std::memcpy(dst.bytes.data(), ip.dst_addr, dst.bytes.size());
  key.src = src.bytes;
  key.dst = dst.bytes;
  // An IPv4-mapped destination never stands on a wire; here it would be taken for the IPv4 address.
  if (dst.is_ipv4()) return;
  const bool is_plain = ip.proto == IPPROTO_TCP || ip.proto == IPPROTO_UDP || ip.proto == IPPROTO_ICMPV6;
  if (is_plain) [[likely]]
    parse_l4(l3 + sizeof ip, payload_bytes, ip.proto, info, key);
  else
    parse_odd_ipv6(l3, info, key);
  if (bad_source6(src, info.kind == PacketKind::icmp)) set_suspect(info, DropReason::bad_source);
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
    case RTE_ETHER_TYPE_VLAN:
    case RTE_ETHER_TYPE_QINQ:
      info.kind = PacketKind::tagged;
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

// A tag that names no VLAN is none; all others are the kernel's.
void parse_tagged(Worker& worker, Burst& burst, unsigned i) {
  PacketInfo& info = burst.info[i];
  if (strip_priority_tag(*burst.mbufs[i])) parse_frame_inline(*burst.mbufs[i], info, burst.key4[i], burst.key6[i]);
  if (info.kind != PacketKind::tagged) return;
  divert_packet(worker, burst.mbufs[i], info.port, DropReason::unknown_vlan);
  info.kind = PacketKind::done;
}

void end_parse(Worker& worker, Burst& burst, unsigned i) {
  PacketInfo& info = burst.info[i];
  if (info.kind == PacketKind::tagged) parse_tagged(worker, burst, i);
  if (info.kind < PacketKind::fragment) return;
  if (info.kind == PacketKind::fragment) {
    burst.has_fragments = true;
    return;
  }
  if (info.kind == PacketKind::broken)
    drop_packet(worker, burst.mbufs[i], info.reason);
  else
    divert_packet(worker, burst.mbufs[i], info.port);
  info.kind = PacketKind::done;
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
  if (info.kind >= PacketKind::fragment) [[unlikely]]
    end_parse(worker, burst, i);
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
