#include "dataplane/stages/encapsulate.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/pick/pick_backend.h"
#include "dataplane/stages/checksum.h"

namespace millrace {
namespace {

constexpr uint8_t kOuterTtl = 64;

uint8_t inner_proto(const ConnEntry& flow) { return flow.family == Family::ipv4 ? IPPROTO_IPIP : IPPROTO_IPV6; }

uint8_t outer_proto(const ConnEntry& flow) {
  return flow.encapsulation == Encapsulation::gue ? uint8_t{IPPROTO_UDP} : inner_proto(flow);
}

// DSCP and ECN, which both families have in one byte.
uint8_t traffic_class(const uint8_t* ip, Family family) {
  return family == Family::ipv4 ? ip[1] : static_cast<uint8_t>(ip[0] << 4 | ip[1] >> 4);
}

void write_outer4(uint8_t* out, const ConnEntry& flow, uint8_t tos, uint16_t total_bytes) {
  rte_ipv4_hdr ip{};
  ip.version_ihl = RTE_IPV4_VHL_DEF;
  ip.type_of_service = tos;
  ip.total_length = Be16::from_host(total_bytes).raw;
  ip.fragment_offset = Be16::from_host(RTE_IPV4_HDR_DF_FLAG).raw;
  ip.time_to_live = kOuterTtl;
  ip.next_proto_id = outer_proto(flow);
  ip.src_addr = flow.snat4.raw;
  ip.dst_addr = flow.backend4.raw;
  ip.hdr_checksum = static_cast<uint16_t>(~plain_header_sum(ip));
  std::memcpy(out, &ip, sizeof ip);
}

uint32_t flow_label(const ConnEntry& flow) {
  const IpAddr client = flow.family == Family::ipv4 ? IpAddr::from_ipv4(flow.client4) : IpAddr{flow.client6};
  return flow_hash(client, flow.client_port) >> 12;
}

void write_outer6(uint8_t* out, const ConnEntry& flow, uint8_t tc, uint16_t total_bytes) {
  rte_ipv6_hdr ip{};
  ip.vtc_flow = Be32::from_host(6u << 28 | uint32_t{tc} << 20 | flow_label(flow)).raw;
  ip.payload_len = Be16::from_host(static_cast<uint16_t>(total_bytes - sizeof ip)).raw;
  ip.proto = outer_proto(flow);
  ip.hop_limits = kOuterTtl;
  std::memcpy(ip.src_addr, flow.snat6.data(), sizeof ip.src_addr);
  std::memcpy(ip.dst_addr, flow.backend6.data(), sizeof ip.dst_addr);
  std::memcpy(out, &ip, sizeof ip);
}

// `l4` has UDP and GUE headers and the whole inner packet behind it.
void write_gue(uint8_t* l4, const ConnEntry& flow, uint16_t l4_bytes) {
  rte_udp_hdr udp{};
  udp.src_port = flow.snat_port.raw;
  udp.dst_port = Be16::from_host(flow.gue_port).raw;
  udp.dgram_len = Be16::from_host(l4_bytes).raw;
  std::memcpy(l4, &udp, sizeof udp);
  const uint8_t gue[kGueHeaderBytes] = {0, inner_proto(flow), 0, 0};
  std::memcpy(l4 + sizeof udp, gue, sizeof gue);
}

// Not every receiver takes tunnels without one over IPv6 (RFC 6936), every one takes them over IPv4.
void write_udp_checksum6(uint8_t* out, uint8_t* l4, uint16_t l4_bytes) {
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(out);
  const uint16_t sum = checksum_add(checksum_sum(l4, l4_bytes), pseudo_header_sum(ip, IPPROTO_UDP, l4_bytes));
  const uint16_t field = sum == 0xffff ? uint16_t{0xffff} : static_cast<uint16_t>(~sum);
  std::memcpy(l4 + offsetof(rte_udp_hdr, dgram_cksum), &field, sizeof field);
}

}  // namespace

bool encapsulate(rte_mbuf& frame, const ConnEntry& flow, uint16_t ip_bytes) {
  const Family outer = backend_family(flow);
  const uint16_t added_bytes = encapsulation_bytes(flow.encapsulation, outer);
  const uint32_t frame_bytes = static_cast<uint32_t>(sizeof(rte_ether_hdr)) + ip_bytes;
  auto* front = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(&frame, added_bytes));
  if (front == nullptr) return false;
  // Ethernet padding would stand behind the inner packet.
  rte_pktmbuf_trim(&frame, static_cast<uint16_t>(frame.pkt_len - added_bytes - frame_bytes));

  const bool ipv4 = outer == Family::ipv4;
  const Be16 type = Be16::from_host(ipv4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
  std::memcpy(front + offsetof(rte_ether_hdr, ether_type), &type.raw, sizeof type.raw);
  uint8_t* out = front + sizeof(rte_ether_hdr);
  const uint8_t tc = traffic_class(out + added_bytes, flow.family);
  const uint16_t total_bytes = static_cast<uint16_t>(ip_bytes + added_bytes);
  ipv4 ? write_outer4(out, flow, tc, total_bytes) : write_outer6(out, flow, tc, total_bytes);
  if (flow.encapsulation != Encapsulation::gue) return true;
  uint8_t* l4 = out + (ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr));
  const uint16_t l4_bytes = static_cast<uint16_t>(out + total_bytes - l4);
  write_gue(l4, flow, l4_bytes);
  if (!ipv4) write_udp_checksum6(out, l4, l4_bytes);
  return true;
}

}  // namespace millrace
