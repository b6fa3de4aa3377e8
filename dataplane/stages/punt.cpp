#include "dataplane/stages/punt.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <algorithm>

#include "dataplane/stages/ip_headers.h"
#include "dataplane/tcp/tcp_state.h"
#include "millrace/addr.h"

namespace millrace {
namespace {

constexpr uint8_t kProtoOspf = 89, kProtoVrrp = 112;
constexpr uint16_t kBgpPort = 179;
constexpr uint16_t kBfdPorts[] = {3784, 3785, 4784, 6784};  // RFC 5881, 5883, 7130

// What stands behind the IP header, as far as it lies in the frame.
struct Payload {
  uint8_t proto = 0;
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  template <typename Header>
  const Header* header() const {
    return bytes < sizeof(Header) ? nullptr : reinterpret_cast<const Header*>(data);
  }
};

bool read_payload4(const uint8_t* packet, size_t bytes, Payload& payload) {
  if (bytes < sizeof(rte_ipv4_hdr)) return false;
  const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(packet);
  const size_t header_bytes = rte_ipv4_hdr_len(&ip);
  const bool later_fragment = (Be16{ip.fragment_offset}.host() & RTE_IPV4_HDR_OFFSET_MASK) != 0;
  if (header_bytes < sizeof ip || header_bytes > bytes || later_fragment) return false;
  payload = {ip.next_proto_id, packet + header_bytes, bytes - header_bytes};
  return true;
}

bool read_payload6(const uint8_t* packet, size_t bytes, Payload& payload) {
  if (bytes < sizeof(rte_ipv6_hdr)) return false;
  Ipv6Chain chain;
  if (walk_ipv6_chain(packet, static_cast<unsigned>(bytes), chain) || chain.is_later_fragment()) return false;
  payload = {chain.proto, packet + chain.bytes, bytes - chain.bytes};
  return true;
}

PuntClass tcp_class(const Payload& payload) {
  const auto* tcp = payload.header<rte_tcp_hdr>();
  if (tcp == nullptr) return PuntClass::other;
  if (Be16{tcp->src_port}.host() == kBgpPort || Be16{tcp->dst_port}.host() == kBgpPort) return PuntClass::routing;
  return (tcp->tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn ? PuntClass::opening : PuntClass::session;
}

PuntClass udp_class(const Payload& payload) {
  const auto* udp = payload.header<rte_udp_hdr>();
  const bool is_bfd = udp != nullptr && std::ranges::find(kBfdPorts, Be16{udp->dst_port}.host()) != std::end(kBfdPorts);
  return is_bfd ? PuntClass::routing : PuntClass::other;
}

// Neighbour discovery and multicast listeners (RFC 4861, RFC 3810) are to IPv6 what ARP is to IPv4.
PuntClass icmp6_class(const Payload& payload) {
  const uint8_t type = payload.bytes == 0 ? 0 : payload.data[0];
  return (type >= 130 && type <= 137) || type == 143 ? PuntClass::link : PuntClass::icmp;
}

PuntClass payload_class(const Payload& payload) {
  switch (payload.proto) {
    case IPPROTO_TCP:
      return tcp_class(payload);
    case IPPROTO_UDP:
      return udp_class(payload);
    case IPPROTO_ICMP:
      return PuntClass::icmp;
    case IPPROTO_ICMPV6:
      return icmp6_class(payload);
    case IPPROTO_IGMP:
    case IPPROTO_PIM:
    case kProtoOspf:
    case kProtoVrrp:
      return PuntClass::routing;
    default:
      return PuntClass::other;
  }
}

}  // namespace

PuntClass punt_class(std::span<const uint8_t> frame) {
  if (frame.size() < sizeof(rte_ether_hdr)) return PuntClass::other;
  const uint16_t type = Be16{reinterpret_cast<const rte_ether_hdr*>(frame.data())->ether_type}.host();
  if (type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ) return PuntClass::other;
  if (type != RTE_ETHER_TYPE_IPV4 && type != RTE_ETHER_TYPE_IPV6) return PuntClass::link;
  const uint8_t* packet = frame.data() + sizeof(rte_ether_hdr);
  const size_t bytes = frame.size() - sizeof(rte_ether_hdr);
  Payload payload;
  const bool readable =
      type == RTE_ETHER_TYPE_IPV4 ? read_payload4(packet, bytes, payload) : read_payload6(packet, bytes, payload);
  return readable ? payload_class(payload) : PuntClass::other;
}

bool PuntGate::take(PuntClass kind, uint64_t now_ms) {
  if (rate_ == 0) return true;
  const uint64_t share = kind == PuntClass::session ? kSessionShare : 1;
  TokenBucket& bucket = buckets_[static_cast<size_t>(kind)];
  return bucket.take(now_ms * kNsPerMs, kNsPerSecond / (rate_ * share), kPuntBurstMs * kNsPerMs);
}

}  // namespace millrace
