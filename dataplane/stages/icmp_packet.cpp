#include "dataplane/stages/icmp_packet.h"

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/ip_headers.h"

namespace millrace {
namespace {

constexpr size_t kIpOffset = sizeof(rte_ether_hdr);

std::optional<DropReason> read_ipv4(const uint8_t* data, size_t bytes, IcmpPacket& packet) {
  if (bytes < kIpOffset + sizeof(rte_ipv4_hdr)) return DropReason::short_l3;
  const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(data + kIpOffset);
  if (ip.version != 4) return DropReason::bad_ip_version;
  const size_t header_bytes = rte_ipv4_hdr_len(&ip);
  const size_t total_bytes = Be16{ip.total_length}.host();
  if (header_bytes < sizeof(rte_ipv4_hdr) || header_bytes > total_bytes) return DropReason::bad_ihl;
  if (kIpOffset + total_bytes > bytes) return DropReason::bad_ip_length;
  constexpr uint16_t kFragment = RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK;
  if (Be16{ip.fragment_offset}.host() & kFragment) return DropReason::fragment;
  if (ip.next_proto_id != IPPROTO_ICMP) return DropReason::icmp_unsupported;
  packet.family = Family::ipv4;
  packet.icmp_offset = static_cast<uint16_t>(kIpOffset + header_bytes);
  packet.icmp_bytes = static_cast<uint16_t>(total_bytes - header_bytes);
  if (packet.icmp_bytes < sizeof(rte_icmp_hdr)) return DropReason::short_l4;
  if (!l4_checksum_valid(ip, IPPROTO_ICMP, data + packet.icmp_offset, packet.icmp_bytes))
    return DropReason::bad_l4_checksum;
  return std::nullopt;
}

std::optional<DropReason> read_ipv6(const uint8_t* data, size_t bytes, IcmpPacket& packet) {
  if (bytes < kIpOffset + sizeof(rte_ipv6_hdr)) return DropReason::short_l3;
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(data + kIpOffset);
  if (Be32{ip.vtc_flow}.host() >> 28 != 6) return DropReason::bad_ip_version;
  const unsigned packet_bytes = static_cast<unsigned>(sizeof ip) + Be16{ip.payload_len}.host();
  if (kIpOffset + packet_bytes > bytes) return DropReason::bad_ip_length;
  Ipv6Chain chain;
  if (const auto refused = walk_ipv6_chain(data + kIpOffset, packet_bytes, chain)) return refused;
  if (chain.is_fragment()) return DropReason::fragment;
  if (chain.proto != IPPROTO_ICMPV6) return DropReason::icmp_unsupported;
  packet.family = Family::ipv6;
  packet.icmp_offset = static_cast<uint16_t>(kIpOffset + chain.bytes);
  packet.icmp_bytes = static_cast<uint16_t>(packet_bytes - chain.bytes);
  if (packet.icmp_bytes < sizeof(rte_icmp_hdr)) return DropReason::short_l4;
  if (!l4_checksum_valid(ip, IPPROTO_ICMPV6, data + packet.icmp_offset, packet.icmp_bytes))
    return DropReason::bad_l4_checksum;
  return std::nullopt;
}

}  // namespace

std::optional<DropReason> read_icmp_packet(const rte_mbuf& frame, IcmpPacket& packet) {
  const size_t bytes = rte_pktmbuf_data_len(&frame);
  if (bytes < sizeof(rte_ether_hdr)) return DropReason::short_l2;
  const auto* data = rte_pktmbuf_mtod(&frame, const uint8_t*);
  const Be16 ether_type{reinterpret_cast<const rte_ether_hdr*>(data)->ether_type};
  std::optional<DropReason> refused;
  if (ether_type.host() == RTE_ETHER_TYPE_IPV4)
    refused = read_ipv4(data, bytes, packet);
  else if (ether_type.host() == RTE_ETHER_TYPE_IPV6)
    refused = read_ipv6(data, bytes, packet);
  else
    refused = DropReason::icmp_unsupported;
  if (!refused) packet.type = data[packet.icmp_offset];
  return refused;
}

}  // namespace millrace
