#include "dataplane/tcp/own_segment.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dataplane/stages/checksum.h"

namespace millrace {
namespace {

constexpr uint8_t kTtl = 64;

void write_ip4(uint8_t* l3, const OwnSegment& segment, uint16_t l4_bytes) {
  auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(l3);
  ip = {};
  ip.version_ihl = RTE_IPV4_VHL_DEF;
  ip.total_length = Be16::from_host(static_cast<uint16_t>(sizeof ip + l4_bytes)).raw;
  ip.fragment_offset = Be16::from_host(RTE_IPV4_HDR_DF_FLAG).raw;  // with DF an ID of 0 is right, RFC 6864
  ip.time_to_live = kTtl;
  ip.next_proto_id = IPPROTO_TCP;
  ip.src_addr = segment.src.addr.ipv4().raw;
  ip.dst_addr = segment.dst.addr.ipv4().raw;
  ip.hdr_checksum = ipv4_header_checksum(ip);
}

void write_ip6(uint8_t* l3, const OwnSegment& segment, uint16_t l4_bytes) {
  auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(l3);
  ip = {};
  ip.vtc_flow = Be32::from_host(6u << 28).raw;
  ip.payload_len = Be16::from_host(l4_bytes).raw;
  ip.proto = IPPROTO_TCP;
  ip.hop_limits = kTtl;
  std::memcpy(ip.src_addr, segment.src.addr.bytes.data(), sizeof ip.src_addr);
  std::memcpy(ip.dst_addr, segment.dst.addr.bytes.data(), sizeof ip.dst_addr);
}

}  // namespace

bool write_segment(rte_mbuf& frame, const OwnSegment& segment, std::span<const uint8_t> payload) {
  const bool ipv4 = segment.dst.addr.is_ipv4();
  const size_t l4_offset = sizeof(rte_ether_hdr) + (ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr));
  uint8_t options[kOptionBytesMax];
  const size_t option_bytes = write_tcp_options(segment.options, options);
  const size_t l4_bytes = sizeof(rte_tcp_hdr) + option_bytes + payload.size();
  rte_pktmbuf_reset(&frame);
  // rte_pktmbuf_append() takes 16 bits: what is longer has to be refused before it is cut down to them.
  if (l4_offset + l4_bytes > rte_pktmbuf_tailroom(&frame)) return false;
  auto* data = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(&frame, static_cast<uint16_t>(l4_offset + l4_bytes)));

  reinterpret_cast<rte_ether_hdr*>(data)->ether_type =
      Be16::from_host(ipv4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6).raw;
  uint8_t* l3 = data + sizeof(rte_ether_hdr);
  auto& tcp = *reinterpret_cast<rte_tcp_hdr*>(data + l4_offset);
  tcp = {};
  tcp.src_port = segment.src.port.raw;
  tcp.dst_port = segment.dst.port.raw;
  tcp.sent_seq = Be32::from_host(segment.seq).raw;
  tcp.recv_ack = Be32::from_host(segment.ack).raw;
  tcp.data_off = static_cast<uint8_t>((sizeof tcp + option_bytes) / 4 << 4);
  tcp.tcp_flags = segment.flags;
  tcp.rx_win = Be16::from_host(segment.window).raw;
  uint8_t* rest = std::copy_n(options, option_bytes, data + l4_offset + sizeof tcp);
  std::copy(payload.begin(), payload.end(), rest);

  const auto bytes = static_cast<uint16_t>(l4_bytes);
  uint16_t sum = checksum_sum(&tcp, bytes);
  if (ipv4) {
    write_ip4(l3, segment, bytes);
    sum = checksum_add(sum, pseudo_header_sum(*reinterpret_cast<rte_ipv4_hdr*>(l3), IPPROTO_TCP, bytes));
  } else {
    write_ip6(l3, segment, bytes);
    sum = checksum_add(sum, pseudo_header_sum(*reinterpret_cast<rte_ipv6_hdr*>(l3), IPPROTO_TCP, bytes));
  }
  tcp.cksum = static_cast<uint16_t>(~sum);
  return true;
}

}  // namespace millrace
