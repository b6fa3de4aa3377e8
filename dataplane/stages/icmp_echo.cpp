#include "dataplane/stages/icmp_echo.h"

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/icmp_packet.h"

namespace millrace {
namespace {

constexpr size_t kIpOffset = sizeof(rte_ether_hdr);
constexpr uint8_t kReplyType4 = 0;
constexpr uint8_t kReplyType6 = 129;

uint16_t shortened(uint16_t raw, size_t bytes) {
  return Be16::from_host(static_cast<uint16_t>(Be16{raw}.host() - bytes)).raw;
}

// Ethernet and fixed IP header move up to the message, over what stands between.
void move_headers(rte_mbuf& frame, size_t ip_bytes, size_t over_bytes) {
  auto* data = rte_pktmbuf_mtod(&frame, uint8_t*);
  std::memmove(data + over_bytes, data, kIpOffset + ip_bytes);
  rte_pktmbuf_adj(&frame, static_cast<uint16_t>(over_bytes));
}

void remove_ipv4_options(rte_mbuf& frame, size_t option_bytes) {
  move_headers(frame, sizeof(rte_ipv4_hdr), option_bytes);
  auto& ip = *rte_pktmbuf_mtod_offset(&frame, rte_ipv4_hdr*, kIpOffset);
  ip.version_ihl = RTE_IPV4_VHL_DEF;
  ip.total_length = shortened(ip.total_length, option_bytes);
}

void remove_extension_headers(rte_mbuf& frame, size_t chain_bytes) {
  move_headers(frame, sizeof(rte_ipv6_hdr), chain_bytes);
  auto& ip = *rte_pktmbuf_mtod_offset(&frame, rte_ipv6_hdr*, kIpOffset);
  ip.proto = IPPROTO_ICMPV6;
  ip.payload_len = shortened(ip.payload_len, chain_bytes);
}

void turn_ipv4_around(rte_mbuf& frame) {
  auto& ip = *rte_pktmbuf_mtod_offset(&frame, rte_ipv4_hdr*, kIpOffset);
  const uint32_t asker = ip.src_addr;
  ip.src_addr = ip.dst_addr;
  ip.dst_addr = asker;
  ip.time_to_live = kReplyTtl;
  ip.hdr_checksum = ipv4_header_checksum(ip);
}

void turn_ipv6_around(rte_mbuf& frame) {
  auto& ip = *rte_pktmbuf_mtod_offset(&frame, rte_ipv6_hdr*, kIpOffset);
  std::swap_ranges(ip.src_addr, ip.src_addr + sizeof ip.src_addr, ip.dst_addr);
  ip.hop_limits = kReplyTtl;
}

}  // namespace

std::optional<DropReason> answer_echo(rte_mbuf& frame) {
  IcmpPacket packet;
  if (const auto refused = read_icmp_packet(frame, packet)) return refused;
  if (!is_echo_request(packet.family, packet.type)) return DropReason::icmp_unsupported;

  auto& icmp = *rte_pktmbuf_mtod_offset(&frame, rte_icmp_hdr*, packet.icmp_offset);
  icmp.icmp_type = packet.family == Family::ipv4 ? kReplyType4 : kReplyType6;
  const uint16_t old_word = Be16::from_host(static_cast<uint16_t>(packet.type << 8)).raw;
  const uint16_t new_word = Be16::from_host(static_cast<uint16_t>(icmp.icmp_type << 8)).raw;
  icmp.icmp_cksum = apply_delta(icmp.icmp_cksum, checksum_delta(old_word, new_word));

  if (packet.family == Family::ipv4) {
    constexpr uint16_t kPlainOffset = kIpOffset + sizeof(rte_ipv4_hdr);
    if (packet.icmp_offset > kPlainOffset) remove_ipv4_options(frame, packet.icmp_offset - kPlainOffset);
    turn_ipv4_around(frame);
  } else {
    constexpr uint16_t kPlainOffset = kIpOffset + sizeof(rte_ipv6_hdr);
    if (packet.icmp_offset > kPlainOffset) remove_extension_headers(frame, packet.icmp_offset - kPlainOffset);
    turn_ipv6_around(frame);  // the pseudo-header's sum stays
  }
  auto& ether = *rte_pktmbuf_mtod(&frame, rte_ether_hdr*);
  const rte_ether_addr asker = ether.src_addr;
  ether.src_addr = ether.dst_addr;
  ether.dst_addr = asker;
  return std::nullopt;
}

}  // namespace millrace
