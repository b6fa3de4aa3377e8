#include "perf/micro/frame_deck.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "dataplane/stages/checksum.h"

namespace millrace::perf {
namespace {

uint32_t header_bytes(Family family, Proto proto) {
  const size_t ip = family == Family::ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
  const size_t l4 = proto == Proto::tcp ? sizeof(rte_tcp_hdr) : sizeof(rte_udp_hdr);
  return static_cast<uint32_t>(sizeof(rte_ether_hdr) + ip + l4);
}

uint8_t* write_ip4(uint8_t* at, const Tuple& tuple, uint16_t l4_bytes, uint16_t& pseudo_sum) {
  auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(at);
  ip.version_ihl = RTE_IPV4_VHL_DEF;
  ip.total_length = Be16::from_host(static_cast<uint16_t>(sizeof ip + l4_bytes)).raw;
  ip.fragment_offset = Be16::from_host(RTE_IPV4_HDR_DF_FLAG).raw;
  ip.time_to_live = 64;
  ip.next_proto_id = static_cast<uint8_t>(tuple.proto);
  ip.src_addr = tuple.src.ipv4().raw;
  ip.dst_addr = tuple.dst.ipv4().raw;
  ip.hdr_checksum = ipv4_header_checksum(ip);
  pseudo_sum = pseudo_header_sum(ip, ip.next_proto_id, l4_bytes);
  return at + sizeof ip;
}

uint8_t* write_ip6(uint8_t* at, const Tuple& tuple, uint16_t l4_bytes, uint16_t& pseudo_sum) {
  auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(at);
  ip.vtc_flow = Be32::from_host(6u << 28).raw;
  ip.payload_len = Be16::from_host(l4_bytes).raw;
  ip.proto = static_cast<uint8_t>(tuple.proto);
  ip.hop_limits = 64;
  std::memcpy(ip.src_addr, tuple.src.bytes.data(), sizeof ip.src_addr);
  std::memcpy(ip.dst_addr, tuple.dst.bytes.data(), sizeof ip.dst_addr);
  pseudo_sum = pseudo_header_sum(ip, ip.proto, l4_bytes);
  return at + sizeof ip;
}

// The payload is all zero and adds nothing to the sum.
void write_l4(uint8_t* at, const Tuple& tuple, uint8_t tcp_flags, uint16_t l4_bytes, uint16_t pseudo_sum) {
  if (tuple.proto == Proto::tcp) {
    auto& tcp = *reinterpret_cast<rte_tcp_hdr*>(at);
    tcp.src_port = tuple.src_port.raw;
    tcp.dst_port = tuple.dst_port.raw;
    tcp.data_off = sizeof tcp / 4 << 4;
    tcp.tcp_flags = tcp_flags;
    tcp.cksum = static_cast<uint16_t>(~checksum_add(pseudo_sum, checksum_sum(&tcp, sizeof tcp)));
  } else {
    auto& udp = *reinterpret_cast<rte_udp_hdr*>(at);
    udp.src_port = tuple.src_port.raw;
    udp.dst_port = tuple.dst_port.raw;
    udp.dgram_len = Be16::from_host(l4_bytes).raw;
    const uint16_t field = static_cast<uint16_t>(~checksum_add(pseudo_sum, checksum_sum(&udp, sizeof udp)));
    udp.dgram_cksum = field == 0 ? uint16_t{0xffff} : field;
  }
}

}  // namespace

FrameDeck::FrameDeck(Family family, Proto proto, uint32_t frame_bytes)
    : family_(family),
      proto_(proto),
      data_bytes_(static_cast<uint16_t>(std::max(frame_bytes - 4, header_bytes(family, proto)))),
      slot_bytes_(header_bytes(family, proto) <= 64 ? 64 : 128) {}

void FrameDeck::add(const Tuple& tuple, uint8_t tcp_flags) {
  const size_t at = slots_.size();
  slots_.resize(at + slot_bytes_);
  auto& ether = *reinterpret_cast<rte_ether_hdr*>(&slots_[at]);
  ether.dst_addr.addr_bytes[0] = ether.src_addr.addr_bytes[0] = 0x02;
  ether.dst_addr.addr_bytes[5] = 0x0f;
  ether.src_addr.addr_bytes[5] = 0x01;
  const bool ipv4 = family_ == Family::ipv4;
  ether.ether_type = Be16::from_host(ipv4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6).raw;
  const size_t ip_bytes = ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
  const auto l4_bytes = static_cast<uint16_t>(data_bytes_ - sizeof ether - ip_bytes);
  uint8_t* ip = &slots_[at + sizeof ether];
  uint16_t pseudo_sum = 0;
  uint8_t* l4 = ipv4 ? write_ip4(ip, tuple, l4_bytes, pseudo_sum) : write_ip6(ip, tuple, l4_bytes, pseudo_sum);
  write_l4(l4, tuple, tcp_flags, l4_bytes, pseudo_sum);
}

void FrameDeck::shuffle(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> order(size());
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);
  std::vector<uint8_t> shuffled(slots_.size());
  for (size_t i = 0; i < order.size(); ++i) std::memcpy(&shuffled[i * slot_bytes_], slot(order[i]), slot_bytes_);
  slots_ = std::move(shuffled);
}

Tuple read_tuple(const std::vector<uint8_t>& frame) {
  Tuple tuple;
  const uint8_t* ip = frame.data() + sizeof(rte_ether_hdr);
  const bool ipv4 = ip[0] >> 4 == 4;
  const uint8_t* ports = ip + (ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr));
  if (ipv4) {
    const auto& header = *reinterpret_cast<const rte_ipv4_hdr*>(ip);
    tuple.src = IpAddr::from_ipv4(Be32{header.src_addr});
    tuple.dst = IpAddr::from_ipv4(Be32{header.dst_addr});
    tuple.proto = static_cast<Proto>(header.next_proto_id);
  } else {
    const auto& header = *reinterpret_cast<const rte_ipv6_hdr*>(ip);
    std::memcpy(tuple.src.bytes.data(), header.src_addr, tuple.src.bytes.size());
    std::memcpy(tuple.dst.bytes.data(), header.dst_addr, tuple.dst.bytes.size());
    tuple.proto = static_cast<Proto>(header.proto);
  }
  std::memcpy(&tuple.src_port.raw, ports, sizeof tuple.src_port.raw);
  std::memcpy(&tuple.dst_port.raw, ports + 2, sizeof tuple.dst_port.raw);
  return tuple;
}

}  // namespace millrace::perf
