#include "dataplane/stages/icmp_error.h"

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <algorithm>
#include <cstring>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/icmp_packet.h"
#include "dataplane/stages/ip_headers.h"
#include "dataplane/tcp/splice_translate.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

constexpr size_t kIpOffset = sizeof(rte_ether_hdr);
// What RFC 792 lets us count on of the quoted datagram. It holds the ports and UDP's checksum; TCP's comes 10 bytes
// later. Extensions (RFC 4884) start behind the quote, whose length the error then tells (icmp_quote_end).
constexpr size_t kQuotedL4Min = 8;
constexpr size_t kQuotedL4Rewritten = 18;

bool is_tcp_or_udp(uint8_t proto) { return proto == IPPROTO_TCP || proto == IPPROTO_UDP; }

std::optional<DropReason> read_quote4(const uint8_t* data, size_t end, IcmpError& error) {
  if (end < error.quote_offset + sizeof(rte_ipv4_hdr)) return DropReason::icmp_malformed;
  const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(data + error.quote_offset);
  const size_t header_bytes = rte_ipv4_hdr_len(&ip);
  const size_t total_bytes = Be16{ip.total_length}.host();
  if (ip.version != 4 || header_bytes < sizeof(rte_ipv4_hdr)) return DropReason::icmp_malformed;
  if (!is_tcp_or_udp(ip.next_proto_id) || Be16{ip.fragment_offset}.host() & RTE_IPV4_HDR_OFFSET_MASK)
    return DropReason::icmp_unknown_flow;
  error.proto = static_cast<Proto>(ip.next_proto_id);
  error.quote_l4_offset = static_cast<uint16_t>(error.quote_offset + header_bytes);
  error.quote_end = static_cast<uint16_t>(std::min(end, error.quote_offset + total_bytes));
  error.quoted4 = {Be32{ip.src_addr}, Be32{ip.dst_addr}, {}, {}, ip.next_proto_id};
  return std::nullopt;
}

std::optional<DropReason> read_quote6(const uint8_t* data, size_t end, IcmpError& error) {
  if (end < error.quote_offset + sizeof(rte_ipv6_hdr)) return DropReason::icmp_malformed;
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(data + error.quote_offset);
  const size_t payload_bytes = Be16{ip.payload_len}.host();
  if (Be32{ip.vtc_flow}.host() >> 28 != 6) return DropReason::icmp_malformed;
  error.quote_end = static_cast<uint16_t>(std::min(end, error.quote_offset + sizeof ip + payload_bytes));
  Ipv6Chain chain;
  const unsigned quoted_bytes = error.quote_end - uint32_t{error.quote_offset};
  // We send no packet that this refuses, but a quote may end within its headers.
  if (walk_ipv6_chain(data + error.quote_offset, quoted_bytes, chain)) return DropReason::icmp_malformed;
  if (!is_tcp_or_udp(chain.proto) || chain.is_later_fragment()) return DropReason::icmp_unknown_flow;
  error.proto = static_cast<Proto>(chain.proto);
  error.quote_l4_offset = static_cast<uint16_t>(error.quote_offset + chain.bytes);
  error.quoted6.proto = chain.proto;
  std::memcpy(error.quoted6.src.data(), ip.src_addr, sizeof ip.src_addr);
  std::memcpy(error.quoted6.dst.data(), ip.dst_addr, sizeof ip.dst_addr);
  // Never on a wire; here they would be taken for IPv4 addresses.
  if (IpAddr{error.quoted6.src}.is_ipv4() || IpAddr{error.quoted6.dst}.is_ipv4()) return DropReason::icmp_malformed;
  return std::nullopt;
}

// RFC 4884 section 4: where the quote ends when extensions follow it. The length is in words of 4 bytes in ICMP and of 8
// in ICMPv6. A shorter one than it can be is what an older sender left in an unused byte.
constexpr size_t kExtendedQuoteMin = 128;
size_t icmp_quote_end(const uint8_t* icmp, Family family, uint8_t type, size_t quote_at, size_t end) {
  const bool ipv4 = family == Family::ipv4;
  const bool tells_length = ipv4 || type == 1 || type == 3;
  const size_t length_bytes = !tells_length ? 0u : ipv4 ? icmp[5] * 4u : icmp[4] * 8u;
  return length_bytes < kExtendedQuoteMin ? end : std::min(end, quote_at + length_bytes);
}

// The translation of one error; `towards_client` is Direction::reverse.
struct Translation {
  uint8_t* data;
  const IcmpError& error;
  const ConnEntry& connection;
  const Splice* splice;
  bool towards_client;

  // The quoted packet turns into the one that the receiver of the error once sent, so it undoes the rewrite of the
  // opposite direction: towards the client the forward one, towards the backend the reverse one.
  uint16_t delta(uint16_t forward) const { return towards_client ? reverse_delta(forward) : forward; }

  void quoted_l4() const {
    auto* l4 = data + error.quote_l4_offset;
    const uint16_t l4_delta = delta(connection.l4_delta);
    const Be16 src = towards_client ? connection.client_port : connection.backend_port;
    const Be16 dst = towards_client ? connection.vip_port : connection.snat_port;
    std::memcpy(l4, &src.raw, sizeof src.raw);
    std::memcpy(l4 + 2, &dst.raw, sizeof dst.raw);
    const uint16_t numbers = splice == nullptr ? uint16_t{0} : quoted_numbers(l4);
    if (error.proto == Proto::udp) {
      auto& udp = *reinterpret_cast<rte_udp_hdr*>(l4);
      udp.dgram_cksum = apply_udp_delta(udp.dgram_cksum, l4_delta);
    } else if (error.quote_l4_offset + kQuotedL4Rewritten <= error.quote_end) {
      auto& tcp = *reinterpret_cast<rte_tcp_hdr*>(l4);
      tcp.cksum = apply_delta(tcp.cksum, checksum_add(l4_delta, numbers));
    }
  }

  // Returns by how much the quoted segment's sum changes.
  uint16_t quoted_numbers(uint8_t* l4) const {
    const Direction travelled = towards_client ? Direction::forward : Direction::reverse;
    const uint16_t seq = add_to(l4 + offsetof(rte_tcp_hdr, sent_seq), 0 - seq_delta_of(*splice, travelled));
    uint8_t* ack = l4 + offsetof(rte_tcp_hdr, recv_ack);
    if (ack + 2 * sizeof(uint32_t) > data + error.quote_end || (l4[offsetof(rte_tcp_hdr, tcp_flags)] & kTcpAck) == 0)
      return seq;
    return checksum_add(seq, add_to(ack, seq_delta_of(*splice, opposite(travelled))));
  }

  static uint16_t add_to(uint8_t* field, uint32_t increment) {
    Be32 before;
    std::memcpy(&before.raw, field, sizeof before.raw);
    const Be32 after = Be32::from_host(before.host() + increment);
    std::memcpy(field, &after.raw, sizeof after.raw);
    return checksum_delta(checksum_sum(&before.raw, sizeof before.raw), checksum_sum(&after.raw, sizeof after.raw));
  }

  void quoted_ip4() const {
    auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(data + error.quote_offset);
    ip.src_addr = (towards_client ? connection.client4 : connection.backend4).raw;
    ip.dst_addr = (towards_client ? connection.vip4 : connection.snat4).raw;
    ip.hdr_checksum = apply_delta(ip.hdr_checksum, delta(connection.l3_delta));
  }

  void quoted_ip6() const {
    auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(data + error.quote_offset);
    std::memcpy(ip.src_addr, (towards_client ? connection.client6 : connection.backend6).data(), sizeof ip.src_addr);
    std::memcpy(ip.dst_addr, (towards_client ? connection.vip6 : connection.snat6).data(), sizeof ip.dst_addr);
  }

  void outer_ip4() const {
    auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(data + kIpOffset);
    const uint16_t before = addresses_sum(Be32{ip.src_addr}, Be32{ip.dst_addr});
    if (connection.mode != Mode::nat)
      ip.src_addr = (towards_client ? connection.vip4 : connection.snat4).raw;
    else if (towards_client && ip.src_addr == connection.backend4.raw)
      ip.src_addr = connection.vip4.raw;
    ip.dst_addr = (towards_client ? connection.client4 : connection.backend4).raw;
    const uint16_t after = addresses_sum(Be32{ip.src_addr}, Be32{ip.dst_addr});
    --ip.time_to_live;
    ip.hdr_checksum = apply_delta(ip.hdr_checksum, checksum_add(checksum_delta(before, after), kTtlDelta));
  }

  void outer_ip6() const {
    auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(data + kIpOffset);
    if (connection.mode != Mode::nat)
      std::memcpy(ip.src_addr, (towards_client ? connection.vip6 : connection.snat6).data(), sizeof ip.src_addr);
    else if (towards_client && std::memcmp(ip.src_addr, connection.backend6.data(), sizeof ip.src_addr) == 0)
      std::memcpy(ip.src_addr, connection.vip6.data(), sizeof ip.src_addr);
    std::memcpy(ip.dst_addr, (towards_client ? connection.client6 : connection.backend6).data(), sizeof ip.dst_addr);
    --ip.hop_limits;
  }

  // Sum of every word under the ICMP checksum that this translation may change.
  uint16_t covered_sum() const {
    const size_t rewritten_end = std::min<size_t>(error.quote_l4_offset + kQuotedL4Rewritten, error.quote_end);
    const uint16_t quote = checksum_sum(data + error.quote_offset, rewritten_end - error.quote_offset);
    if (error.family == Family::ipv4) return quote;
    const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(data + kIpOffset);
    return checksum_add(quote, checksum_sum(ip.src_addr, sizeof ip.src_addr + sizeof ip.dst_addr));
  }
};

void turn_ethernet_around(const rte_ether_hdr& received, rte_ether_hdr& answer) {
  const rte_ether_hdr copy = received;
  answer.src_addr = copy.dst_addr;
  answer.dst_addr = copy.src_addr;
  answer.ether_type = copy.ether_type;
}

// Of the packet in the frame, whose fixed IP header is there: how long it says that it is. 0 with `refused` set when it
// gets no answer.
size_t quotable4(const uint8_t* data, std::optional<DropReason>& refused) {
  const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(data + kIpOffset);
  const size_t total_bytes = Be16{ip.total_length}.host();
  const uint16_t flags = Be16{ip.fragment_offset}.host();
  if (ip.version != 4)
    refused = DropReason::bad_ip_version;
  else if (total_bytes < sizeof ip)
    refused = DropReason::bad_ip_length;
  else if (!(flags & RTE_IPV4_HDR_DF_FLAG) || (flags & RTE_IPV4_HDR_OFFSET_MASK) || !is_tcp_or_udp(ip.next_proto_id))
    refused = DropReason::mtu_exceeded;
  return refused ? 0 : total_bytes;
}

size_t quotable6(const uint8_t* data, std::optional<DropReason>& refused) {
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(data + kIpOffset);
  const size_t total_bytes = sizeof ip + Be16{ip.payload_len}.host();
  if (Be32{ip.vtc_flow}.host() >> 28 != 6)
    refused = DropReason::bad_ip_version;
  else if (ip.proto == IPPROTO_ICMPV6)
    refused = DropReason::mtu_exceeded;
  return refused ? 0 : total_bytes;
}

void write_too_big4(uint8_t* answer, size_t quote_bytes, Be32 source, uint16_t mtu_bytes) {
  auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(answer + kIpOffset);
  uint8_t* icmp = answer + kIpOffset + sizeof ip;
  const size_t icmp_bytes = sizeof(rte_icmp_hdr) + quote_bytes;
  const auto& quoted = *reinterpret_cast<const rte_ipv4_hdr*>(icmp + sizeof(rte_icmp_hdr));
  ip = {};
  ip.version_ihl = RTE_IPV4_VHL_DEF;
  ip.type_of_service = 0xc0;  // internetwork control, RFC 1812 section 4.3.2.5
  ip.total_length = Be16::from_host(static_cast<uint16_t>(sizeof ip + icmp_bytes)).raw;
  ip.fragment_offset = Be16::from_host(RTE_IPV4_HDR_DF_FLAG).raw;  // with DF an ID of 0 is right, RFC 6864
  ip.time_to_live = 64;
  ip.next_proto_id = IPPROTO_ICMP;
  ip.src_addr = source.raw;
  ip.dst_addr = quoted.src_addr;
  ip.hdr_checksum = ipv4_header_checksum(ip);
  const uint8_t header[8] = {3, 4, 0, 0, 0, 0, static_cast<uint8_t>(mtu_bytes >> 8), static_cast<uint8_t>(mtu_bytes)};
  std::memcpy(icmp, header, sizeof header);
  const uint16_t checksum = static_cast<uint16_t>(~checksum_sum(icmp, icmp_bytes));
  std::memcpy(icmp + 2, &checksum, sizeof checksum);
}

void write_too_big6(uint8_t* answer, size_t quote_bytes, const IpAddr& source, uint16_t mtu_bytes) {
  auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(answer + kIpOffset);
  uint8_t* icmp = answer + kIpOffset + sizeof ip;
  const uint16_t icmp_bytes = static_cast<uint16_t>(sizeof(rte_icmp_hdr) + quote_bytes);
  const auto& quoted = *reinterpret_cast<const rte_ipv6_hdr*>(icmp + sizeof(rte_icmp_hdr));
  ip = {};
  ip.vtc_flow = Be32::from_host(6u << 28).raw;
  ip.payload_len = Be16::from_host(icmp_bytes).raw;
  ip.proto = IPPROTO_ICMPV6;
  ip.hop_limits = 64;
  std::memcpy(ip.src_addr, source.bytes.data(), sizeof ip.src_addr);
  std::memcpy(ip.dst_addr, quoted.src_addr, sizeof ip.dst_addr);
  const uint8_t header[8] = {2, 0, 0, 0, 0, 0, static_cast<uint8_t>(mtu_bytes >> 8), static_cast<uint8_t>(mtu_bytes)};
  std::memcpy(icmp, header, sizeof header);
  const uint16_t sum = checksum_add(checksum_sum(icmp, icmp_bytes), pseudo_header_sum(ip, IPPROTO_ICMPV6, icmp_bytes));
  const uint16_t checksum = static_cast<uint16_t>(~sum);
  std::memcpy(icmp + 2, &checksum, sizeof checksum);
}

}  // namespace

std::optional<DropReason> read_icmp_error(const rte_mbuf& frame, IcmpError& error) {
  IcmpPacket packet;
  if (const auto refused = read_icmp_packet(frame, packet)) return refused;
  if (!is_icmp_error(packet.family, packet.type)) return DropReason::icmp_unsupported;
  const auto* data = rte_pktmbuf_mtod(&frame, const uint8_t*);
  error = {};
  error.family = packet.family;
  error.icmp_offset = packet.icmp_offset;
  error.quote_offset = static_cast<uint16_t>(packet.icmp_offset + sizeof(rte_icmp_hdr));
  const size_t end = icmp_quote_end(data + packet.icmp_offset, packet.family, packet.type, error.quote_offset,
                                    size_t{packet.icmp_offset} + packet.icmp_bytes);
  const auto refused = packet.family == Family::ipv4 ? read_quote4(data, end, error) : read_quote6(data, end, error);
  if (refused) return refused;
  if (error.quote_end < error.quote_l4_offset + kQuotedL4Min) return DropReason::icmp_malformed;
  Be16 ports[2];
  std::memcpy(ports, data + error.quote_l4_offset, sizeof ports);
  error.quoted4.src_port = error.quoted6.src_port = ports[0];
  error.quoted4.dst_port = error.quoted6.dst_port = ports[1];
  return std::nullopt;
}

std::optional<DropReason> translate_icmp_error(rte_mbuf& frame, const IcmpError& error, const ConnEntry& connection,
                                               const Splice* splice, Direction direction) {
  auto* data = rte_pktmbuf_mtod(&frame, uint8_t*);
  const Translation translation{data, error, connection, splice, direction == Direction::reverse};
  const bool ipv4 = error.family == Family::ipv4;
  const uint8_t ttl = ipv4 ? reinterpret_cast<rte_ipv4_hdr*>(data + kIpOffset)->time_to_live
                           : reinterpret_cast<rte_ipv6_hdr*>(data + kIpOffset)->hop_limits;
  if (ttl <= 1) return DropReason::ttl_expired;

  const uint16_t before = translation.covered_sum();
  translation.quoted_l4();
  if (ipv4) {
    translation.quoted_ip4();
    translation.outer_ip4();
  } else {
    translation.quoted_ip6();
    translation.outer_ip6();
  }
  auto& icmp = *reinterpret_cast<rte_icmp_hdr*>(data + error.icmp_offset);
  icmp.icmp_cksum = apply_delta(icmp.icmp_cksum, checksum_delta(before, translation.covered_sum()));
  return std::nullopt;
}

std::optional<DropReason> make_too_big(rte_mbuf& frame, const IpAddr& source, uint16_t mtu_bytes, QuotedPacket packet) {
  const bool ipv4 = source.is_ipv4();
  const size_t ip_bytes = ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
  // RFC 1812 section 4.3.2.3; RFC 4443 section 2.4 (c).
  const size_t answer_ip_bytes_max = ipv4 ? 576 : 1280;
  const size_t bytes = rte_pktmbuf_data_len(&frame);
  if (frame.nb_segs != 1 || bytes < kIpOffset + ip_bytes) return DropReason::bad_ip_length;
  const auto* data = rte_pktmbuf_mtod(&frame, const uint8_t*);
  std::optional<DropReason> refused;
  const size_t packet_bytes = ipv4 ? quotable4(data, refused) : quotable6(data, refused);
  if (refused) return refused;
  if (packet == QuotedPacket::whole && kIpOffset + packet_bytes > bytes) return DropReason::bad_ip_length;
  const size_t present = std::min(packet_bytes, bytes - kIpOffset);

  const size_t added_bytes = ip_bytes + sizeof(rte_icmp_hdr);
  const size_t quote_bytes = std::min(present, answer_ip_bytes_max - added_bytes);
  auto* answer = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(&frame, static_cast<uint16_t>(added_bytes)));
  if (answer == nullptr) return DropReason::no_mbuf;
  rte_pktmbuf_trim(&frame, static_cast<uint16_t>(bytes - kIpOffset - quote_bytes));
  turn_ethernet_around(*reinterpret_cast<const rte_ether_hdr*>(answer + added_bytes),
                       *reinterpret_cast<rte_ether_hdr*>(answer));
  if (ipv4)
    write_too_big4(answer, quote_bytes, source.ipv4(), mtu_bytes);
  else
    write_too_big6(answer, quote_bytes, source, mtu_bytes);
  return std::nullopt;
}

}  // namespace millrace
