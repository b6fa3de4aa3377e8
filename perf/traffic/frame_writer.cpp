#include "perf/traffic/frame_writer.h"

namespace millrace::traffic {
namespace {

constexpr uint8_t kHops = 64;

constexpr uint8_t tcp_flags_of(Step step) {
  switch (step) {
    case Step::syn:
      return RTE_TCP_SYN_FLAG;
    case Step::syn_ack:
      return RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG;
    case Step::request:
    case Step::response:
      return RTE_TCP_PSH_FLAG | RTE_TCP_ACK_FLAG;
    case Step::client_fin:
    case Step::backend_fin:
      return RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG;
    default:
      return RTE_TCP_ACK_FLAG;
  }
}

// One's complement addition does not care how wide the words are: 2^16 = 1 modulo 65535.
constexpr uint16_t fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

uint64_t words_sum(const uint8_t* bytes, unsigned count) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < count; i += sizeof(uint32_t)) {
    uint32_t word;
    std::memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  return sum;
}

}  // namespace

FrameWriter::FrameWriter(Family family, Proto proto, const MacAddr& src, const MacAddr& dst)
    : family_(family), proto_(proto) {
  auto& ether = *reinterpret_cast<rte_ether_hdr*>(template_.data());
  std::memcpy(ether.src_addr.addr_bytes, src.bytes.data(), src.bytes.size());
  std::memcpy(ether.dst_addr.addr_bytes, dst.bytes.data(), dst.bytes.size());
  ether.ether_type = Be16::from_host(family == Family::ipv4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6).raw;
  uint8_t* l3 = template_.data() + sizeof ether;
  if (family == Family::ipv4) {
    auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(l3);
    ip.version_ihl = RTE_IPV4_VHL_DEF;
    ip.fragment_offset = Be16::from_host(RTE_IPV4_HDR_DF_FLAG).raw;
    ip.time_to_live = kHops;
    ip.next_proto_id = static_cast<uint8_t>(proto);
    ip_sum_ = words_sum(l3, sizeof ip);
  } else {
    auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(l3);
    ip.vtc_flow = Be32::from_host(6u << 28).raw;
    ip.proto = static_cast<uint8_t>(proto);
    ip.hop_limits = kHops;
  }
  if (proto == Proto::tcp)
    reinterpret_cast<rte_tcp_hdr*>(template_.data() + l4_offset(family))->data_off = sizeof(rte_tcp_hdr) / 4 << 4;
}

// Returns the sum of the pseudo-header.
uint64_t FrameWriter::write_ip(uint8_t* frame, const Ends& ends, uint16_t l4_bytes) const {
  const uint64_t tail = uint64_t{Be16::from_host(static_cast<uint8_t>(proto_)).raw} + Be16::from_host(l4_bytes).raw;
  uint8_t* l3 = frame + sizeof(rte_ether_hdr);
  if (family_ == Family::ipv4) {
    auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(l3);
    ip.total_length = Be16::from_host(static_cast<uint16_t>(sizeof ip + l4_bytes)).raw;
    ip.src_addr = ends.src.addr.ipv4().raw;
    ip.dst_addr = ends.dst.addr.ipv4().raw;
    const uint64_t addresses = uint64_t{ip.src_addr} + ip.dst_addr;
    ip.hdr_checksum = static_cast<uint16_t>(~fold(ip_sum_ + ip.total_length + addresses));
    return addresses + tail;
  }
  auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(l3);
  ip.payload_len = Be16::from_host(l4_bytes).raw;
  std::memcpy(ip.src_addr, ends.src.addr.bytes.data(), sizeof ip.src_addr);
  std::memcpy(ip.dst_addr, ends.dst.addr.bytes.data(), sizeof ip.dst_addr);
  return words_sum(ip.src_addr, sizeof ip.src_addr) + words_sum(ip.dst_addr, sizeof ip.dst_addr) + tail;
}

void FrameWriter::write_tcp(uint8_t* frame, const Ends& ends, const Message& message, uint64_t sum) const {
  auto& tcp = *reinterpret_cast<rte_tcp_hdr*>(frame + l4_offset(family_));
  tcp.src_port = ends.src.port.raw;
  tcp.dst_port = ends.dst.port.raw;
  tcp.sent_seq = message.id;
  tcp.recv_ack = message.slot;
  tcp.tcp_flags = tcp_flags_of(message.step);
  tcp.rx_win = Be16::from_host(static_cast<uint8_t>(message.step)).raw;
  const uint64_t stamp = message.stamp & kStampMask;
  std::memcpy(frame + payload_offset(family_, Proto::tcp), &stamp, kStampBytes);
  const uint64_t flags = uint64_t{tcp.data_off} | uint64_t{tcp.tcp_flags} << 8;
  sum += uint64_t{tcp.src_port} + tcp.dst_port + tcp.sent_seq + tcp.recv_ack + flags + tcp.rx_win + stamp;
  tcp.cksum = static_cast<uint16_t>(~fold(sum));
}

void FrameWriter::write_udp(uint8_t* frame, const Ends& ends, const Message& message, uint64_t sum,
                            uint16_t l4_bytes) const {
  auto& udp = *reinterpret_cast<rte_udp_hdr*>(frame + l4_offset(family_));
  udp.src_port = ends.src.port.raw;
  udp.dst_port = ends.dst.port.raw;
  udp.dgram_len = Be16::from_host(l4_bytes).raw;
  const uint64_t stamp = message.stamp & kStampMask;
  UdpPayload payload{.stamp = {}, .step = static_cast<uint16_t>(message.step), .id = message.id};
  std::memcpy(payload.stamp, &stamp, kStampBytes);
  std::memcpy(frame + payload_offset(family_, Proto::udp), &payload, sizeof payload);
  sum += uint64_t{udp.src_port} + udp.dst_port + udp.dgram_len + stamp + payload.step + payload.id;
  const uint16_t field = static_cast<uint16_t>(~fold(sum));
  udp.dgram_cksum = field == 0 ? uint16_t{0xffff} : field;
}

uint16_t FrameWriter::write(uint8_t* frame, const Ends& ends, const Message& message, uint16_t frame_bytes) const {
  std::memcpy(frame, template_.data(), template_.size());
  const auto data_bytes = static_cast<uint16_t>(frame_bytes - kFcsBytes);
  const auto l4_bytes = static_cast<uint16_t>(data_bytes - l4_offset(family_));
  const uint64_t sum = write_ip(frame, ends, l4_bytes);
  if (proto_ == Proto::tcp)
    write_tcp(frame, ends, message, sum);
  else
    write_udp(frame, ends, message, sum, l4_bytes);
  return data_bytes;
}

}  // namespace millrace::traffic
