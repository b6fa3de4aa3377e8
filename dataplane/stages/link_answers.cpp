#include "dataplane/stages/link_answers.h"

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/stages/checksum.h"

namespace millrace {
namespace {

constexpr uint16_t kFrameMin = 60;  // IEEE 802.3 without FCS; a virtual port pads nothing itself
constexpr uint8_t kNdHopLimit = 255;
constexpr uint8_t kSolicitation = 135;
constexpr uint8_t kAdvertisement = 136;
constexpr uint8_t kSourceLinkOption = 1;
constexpr uint8_t kTargetLinkOption = 2;
constexpr uint8_t kSolicitedFlag = 0x40;
constexpr uint8_t kOverrideFlag = 0x20;

struct NdMessage {  // solicitation and advertisement alike, RFC 4861 sections 4.3 and 4.4
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  uint8_t flags;
  uint8_t reserved[3];
  std::array<uint8_t, 16> target;
};

struct LinkOption {  // RFC 4861 section 4.6.1; length in units of 8 bytes
  uint8_t type;
  uint8_t length;
  MacAddr mac;
};

struct AdvertisementFrame {
  rte_ether_hdr ether;
  rte_ipv6_hdr ip;
  NdMessage nd;
  LinkOption link;
};

constexpr size_t kNdOffset = sizeof(rte_ether_hdr) + sizeof(rte_ipv6_hdr);
constexpr size_t kNdOptionOffset = kNdOffset + sizeof(NdMessage);
static_assert(sizeof(NdMessage) == 24 && sizeof(LinkOption) == 8 && sizeof(AdvertisementFrame) == 86);

constexpr std::array<uint8_t, 16> kAllNodes = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr std::array<uint8_t, 13> kSolicitedNodePrefix = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
constexpr rte_ether_addr kAllNodesMac = {{0x33, 0x33, 0, 0, 0, 1}};
constexpr rte_ether_addr kBroadcastMac = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr uint8_t kUnspecified[16] = {};

bool is_unspecified(const uint8_t addr[16]) { return std::memcmp(addr, kUnspecified, 16) == 0; }

rte_ether_addr to_ether(const MacAddr& mac) {
  rte_ether_addr addr;
  std::memcpy(addr.addr_bytes, mac.bytes.data(), mac.bytes.size());
  return addr;
}

// Bytes of ND options, at [offset, end) of the frame. False: one is cut short or has length 0.
bool walk_nd_options(const uint8_t* frame, size_t offset, size_t end, const uint8_t*& source_link) {
  source_link = nullptr;
  while (offset < end) {
    if (end - offset < 2) return false;
    const size_t bytes = size_t{frame[offset + 1]} * 8;
    if (bytes == 0 || bytes > end - offset) return false;
    if (frame[offset] == kSourceLinkOption && bytes == sizeof(LinkOption)) source_link = frame + offset + 2;
    offset += bytes;
  }
  return true;
}

void write_advertisement(AdvertisementFrame& frame, const MacAddr& mac, const std::array<uint8_t, 16>& target,
                         const rte_ether_addr& to_mac, const uint8_t to[16], uint8_t flags) {
  frame = {};
  frame.ether.dst_addr = to_mac;
  frame.ether.src_addr = to_ether(mac);
  frame.ether.ether_type = Be16::from_host(RTE_ETHER_TYPE_IPV6).raw;
  frame.ip.vtc_flow = Be32::from_host(6u << 28).raw;
  frame.ip.payload_len = Be16::from_host(sizeof(NdMessage) + sizeof(LinkOption)).raw;
  frame.ip.proto = IPPROTO_ICMPV6;
  frame.ip.hop_limits = kNdHopLimit;
  std::memcpy(frame.ip.src_addr, target.data(), target.size());
  std::memcpy(frame.ip.dst_addr, to, sizeof frame.ip.dst_addr);
  frame.nd.type = kAdvertisement;
  frame.nd.flags = flags;
  frame.nd.target = target;
  frame.link = {kTargetLinkOption, 1, mac};
  constexpr uint16_t kBytes = sizeof(NdMessage) + sizeof(LinkOption);
  const uint16_t sum =
      checksum_add(checksum_sum(&frame.nd, kBytes), pseudo_header_sum(frame.ip, IPPROTO_ICMPV6, kBytes));
  frame.nd.checksum = static_cast<uint16_t>(~sum);
}

bool resize(rte_mbuf& frame, uint16_t bytes) {
  const uint16_t present = rte_pktmbuf_data_len(&frame);
  if (present >= bytes) return rte_pktmbuf_trim(&frame, static_cast<uint16_t>(present - bytes)) == 0;
  return rte_pktmbuf_append(&frame, static_cast<uint16_t>(bytes - present)) != nullptr;
}

}  // namespace

LinkQuestion read_arp(const rte_mbuf& frame, IpAddr& target) {
  if (rte_pktmbuf_data_len(&frame) < sizeof(rte_ether_hdr) + sizeof(rte_arp_hdr)) return LinkQuestion::malformed;
  const auto* arp = rte_pktmbuf_mtod_offset(&frame, const rte_arp_hdr*, sizeof(rte_ether_hdr));
  if (Be16{arp->arp_hardware}.host() != RTE_ARP_HRD_ETHER || Be16{arp->arp_protocol}.host() != RTE_ETHER_TYPE_IPV4 ||
      arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(Be32) || arp->arp_opcode == 0)
    return LinkQuestion::malformed;
  if (Be16{arp->arp_opcode}.host() != RTE_ARP_OP_REQUEST) return LinkQuestion::other;
  const IpAddr sender = IpAddr::from_ipv4(Be32{arp->arp_data.arp_sip});
  if (!rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha) || sender.is_multicast() ||
      arp->arp_data.arp_sip == UINT32_MAX)
    return LinkQuestion::malformed;
  // An announcement (RFC 5227 section 3) asks nothing.
  if (arp->arp_data.arp_sip == arp->arp_data.arp_tip) return LinkQuestion::other;
  target = IpAddr::from_ipv4(Be32{arp->arp_data.arp_tip});
  return LinkQuestion::asks;
}

LinkQuestion read_solicitation(const rte_mbuf& frame, IpAddr& target) {
  const size_t bytes = rte_pktmbuf_data_len(&frame);
  if (bytes < kNdOffset + 4) return LinkQuestion::malformed;
  const auto* data = rte_pktmbuf_mtod(&frame, const uint8_t*);
  if (data[kNdOffset] != kSolicitation) return LinkQuestion::other;
  const auto& ether = *reinterpret_cast<const rte_ether_hdr*>(data);
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(data + sizeof(rte_ether_hdr));
  const uint16_t nd_bytes = Be16{ip.payload_len}.host();
  if (ip.hop_limits != kNdHopLimit || nd_bytes < sizeof(NdMessage) || kNdOffset + nd_bytes > bytes)
    return LinkQuestion::malformed;
  const auto& nd = *reinterpret_cast<const NdMessage*>(data + kNdOffset);
  const uint8_t* source_link;
  target.bytes = nd.target;
  // An IPv4-mapped target would be taken for the IPv4 address, and answered in its name.
  if (nd.code != 0 || target.is_multicast() || target.is_any() || target.is_ipv4() ||
      !walk_nd_options(data, kNdOptionOffset, kNdOffset + nd_bytes, source_link) ||
      !l4_checksum_valid(ip, IPPROTO_ICMPV6, &nd, nd_bytes))
    return LinkQuestion::malformed;
  // The answer goes to one of these, which must be a host.
  if (ip.src_addr[0] == 0xff || rte_is_multicast_ether_addr(&ether.src_addr) || (source_link && (source_link[0] & 1)))
    return LinkQuestion::malformed;
  const bool dad_probe = is_unspecified(ip.src_addr);
  const bool to_solicited_node =
      std::memcmp(ip.dst_addr, kSolicitedNodePrefix.data(), kSolicitedNodePrefix.size()) == 0;
  if (dad_probe && (source_link || !to_solicited_node)) return LinkQuestion::malformed;
  return LinkQuestion::asks;
}

void answer_arp(rte_mbuf& frame, const MacAddr& mac) {
  auto* ether = rte_pktmbuf_mtod(&frame, rte_ether_hdr*);
  auto* arp = rte_pktmbuf_mtod_offset(&frame, rte_arp_hdr*, sizeof(rte_ether_hdr));
  rte_arp_ipv4& data = arp->arp_data;
  arp->arp_opcode = Be16::from_host(RTE_ARP_OP_REPLY).raw;
  const uint32_t asked = data.arp_tip;
  data.arp_tha = data.arp_sha;
  data.arp_tip = data.arp_sip;
  data.arp_sha = to_ether(mac);
  data.arp_sip = asked;
  ether->dst_addr = data.arp_tha;
  ether->src_addr = data.arp_sha;
}

bool answer_solicitation(rte_mbuf& frame, const MacAddr& mac) {
  const auto* data = rte_pktmbuf_mtod(&frame, const uint8_t*);
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(data + sizeof(rte_ether_hdr));
  const std::array<uint8_t, 16> target = reinterpret_cast<const NdMessage*>(data + kNdOffset)->target;
  std::array<uint8_t, 16> to = kAllNodes;
  rte_ether_addr to_mac = kAllNodesMac;
  uint8_t flags = kOverrideFlag;
  if (!is_unspecified(ip.src_addr)) {
    const uint8_t* source_link;
    walk_nd_options(data, kNdOptionOffset, kNdOffset + Be16{ip.payload_len}.host(), source_link);
    std::memcpy(to.data(), ip.src_addr, to.size());
    const uint8_t* from = source_link ? source_link : reinterpret_cast<const rte_ether_hdr*>(data)->src_addr.addr_bytes;
    std::memcpy(to_mac.addr_bytes, from, sizeof to_mac.addr_bytes);
    flags |= kSolicitedFlag;
  }
  if (!resize(frame, sizeof(AdvertisementFrame))) return false;
  write_advertisement(*rte_pktmbuf_mtod(&frame, AdvertisementFrame*), mac, target, to_mac, to.data(), flags);
  return true;
}

bool build_arp_announcement(rte_mbuf& frame, const MacAddr& mac, Be32 addr) {
  auto* data = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(&frame, kFrameMin));
  if (data == nullptr) return false;
  std::memset(data, 0, kFrameMin);
  auto& ether = *reinterpret_cast<rte_ether_hdr*>(data);
  auto& arp = *reinterpret_cast<rte_arp_hdr*>(data + sizeof(rte_ether_hdr));
  ether.dst_addr = kBroadcastMac;
  ether.src_addr = to_ether(mac);
  ether.ether_type = Be16::from_host(RTE_ETHER_TYPE_ARP).raw;
  arp.arp_hardware = Be16::from_host(RTE_ARP_HRD_ETHER).raw;
  arp.arp_protocol = Be16::from_host(RTE_ETHER_TYPE_IPV4).raw;
  arp.arp_hlen = RTE_ETHER_ADDR_LEN;
  arp.arp_plen = sizeof(Be32);
  arp.arp_opcode = Be16::from_host(RTE_ARP_OP_REQUEST).raw;
  arp.arp_data.arp_sha = ether.src_addr;
  arp.arp_data.arp_sip = arp.arp_data.arp_tip = addr.raw;
  return true;
}

bool build_unsolicited_advertisement(rte_mbuf& frame, const MacAddr& mac, const IpAddr& addr) {
  auto* data = rte_pktmbuf_append(&frame, sizeof(AdvertisementFrame));
  if (data == nullptr) return false;
  write_advertisement(*reinterpret_cast<AdvertisementFrame*>(data), mac, addr.bytes, kAllNodesMac, kAllNodes.data(),
                      kOverrideFlag);
  return true;
}

}  // namespace millrace
