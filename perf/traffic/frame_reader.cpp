#include "perf/traffic/frame_reader.h"

#include "dataplane/stages/checksum.h"

namespace millrace::traffic {
namespace {

IpAddr ipv4_addr(uint32_t raw) {
  const std::array<uint64_t, 2> words = {0, uint64_t{raw} << 32 | 0xffff0000};
  IpAddr addr;
  std::memcpy(addr.bytes.data(), words.data(), sizeof words);
  return addr;
}
static_assert(std::endian::native == std::endian::little);

bool same_but_last_byte(const IpAddr& a, const IpAddr& b) {
  std::array<uint64_t, 2> left, right;
  std::memcpy(left.data(), a.bytes.data(), sizeof left);
  std::memcpy(right.data(), b.bytes.data(), sizeof right);
  return left[0] == right[0] && (left[1] ^ right[1]) << 8 == 0;
}

}  // namespace

Endpoint backend_endpoint(const Endpoint& first, unsigned index) {
  Endpoint backend = first;
  backend.addr.bytes[15] = static_cast<uint8_t>(backend.addr.bytes[15] + index);
  return backend;
}

// Foreign is judged by protocol; what has ours must be whole.
Fault FrameReader::read_ends(const uint8_t* frame, unsigned bytes, Ends& ends) const {
  if (bytes < sizeof(rte_ether_hdr) + ip_bytes(family_)) return Fault::foreign;
  const uint16_t type = Be16{reinterpret_cast<const rte_ether_hdr*>(frame)->ether_type}.host();
  if (type != (family_ == Family::ipv4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6)) return Fault::foreign;
  const uint8_t* l3 = frame + sizeof(rte_ether_hdr);
  unsigned packet_bytes;
  if (family_ == Family::ipv4) {
    const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(l3);
    if (ip.next_proto_id != static_cast<uint8_t>(proto_)) return Fault::foreign;
    if (ip.version_ihl != RTE_IPV4_VHL_DEF) return Fault::malformed;
    packet_bytes = Be16{ip.total_length}.host();
    ends.src.addr = ipv4_addr(ip.src_addr);
    ends.dst.addr = ipv4_addr(ip.dst_addr);
  } else {
    const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(l3);
    if (ip.proto != static_cast<uint8_t>(proto_)) return Fault::foreign;
    packet_bytes = static_cast<unsigned>(sizeof ip) + Be16{ip.payload_len}.host();
    std::memcpy(ends.src.addr.bytes.data(), ip.src_addr, sizeof ip.src_addr);
    std::memcpy(ends.dst.addr.bytes.data(), ip.dst_addr, sizeof ip.dst_addr);
  }
  const unsigned data_bytes = static_cast<unsigned>(sizeof(rte_ether_hdr)) + packet_bytes;
  if (data_bytes > bytes || data_bytes + kFcsBytes < frame_bytes_min(family_, proto_)) return Fault::malformed;
  const auto& ports = *reinterpret_cast<const rte_udp_hdr*>(frame + l4_offset(family_));
  ends.src.port = Be16{ports.src_port};
  ends.dst.port = Be16{ports.dst_port};
  return Fault::none;
}

void FrameReader::read_message(const uint8_t* frame, Message& message) const {
  const uint8_t* payload = frame + payload_offset(family_, proto_);
  std::memcpy(&message.stamp, payload, kStampBytes);
  unsigned step;
  if (proto_ == Proto::tcp) {
    const auto& tcp = *reinterpret_cast<const rte_tcp_hdr*>(frame + l4_offset(family_));
    message.id = tcp.sent_seq;
    message.slot = tcp.recv_ack;
    step = Be16{tcp.rx_win}.host();
  } else {
    UdpPayload udp;
    std::memcpy(&udp, payload, sizeof udp);  // it lies at an odd multiple of two
    message.id = udp.id;
    step = udp.step;
  }
  message.step = step < kStepCount ? static_cast<Step>(step) : Step::none;
}

Fault FrameReader::read(const uint8_t* frame, unsigned bytes, const MacAddr& mac, Arrival& arrival) const {
  if (const Fault fault = read_ends(frame, bytes, arrival.ends); fault != Fault::none) return fault;
  if (std::memcmp(frame, mac.bytes.data(), mac.bytes.size()) != 0) return Fault::wrong_mac;
  read_message(frame, arrival.message);
  if (arrival.message.step == Step::none) return Fault::malformed;
  const Endpoint& dst = arrival.ends.dst;
  arrival.backend = static_cast<uint8_t>(dst.addr.bytes[15] - first_backend_.addr.bytes[15]);
  arrival.to_backend = dst.port == first_backend_.port && arrival.backend < backend_count_ &&
                       same_but_last_byte(dst.addr, first_backend_.addr);
  if (arrival.to_backend) return Fault::none;
  const std::optional<uint32_t> id = clients_.id_of(dst);
  if (!id) return Fault::wrong_destination;
  if (*id != arrival.message.id) return Fault::unknown_flow;
  return arrival.ends.src == vip_ ? Fault::none : Fault::wrong_source;
}

Fault FrameReader::check_sums(const uint8_t* frame) const {
  const uint8_t* l3 = frame + sizeof(rte_ether_hdr);
  const uint8_t* l4 = frame + l4_offset(family_);
  const auto proto = static_cast<uint8_t>(proto_);
  if (family_ == Family::ipv4) {
    const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(l3);
    const auto l4_bytes = static_cast<uint16_t>(Be16{ip.total_length}.host() - sizeof ip);
    if (!ipv4_header_checksum_valid(ip)) return Fault::bad_ip_checksum;
    if (proto_ == Proto::udp && udp_checksum_absent(l4)) return Fault::bad_l4_checksum;  // we always send one
    return l4_checksum_valid(ip, proto, l4, l4_bytes) ? Fault::none : Fault::bad_l4_checksum;
  }
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(l3);
  return l4_checksum_valid(ip, proto, l4, Be16{ip.payload_len}.host()) ? Fault::none : Fault::bad_l4_checksum;
}

}  // namespace millrace::traffic
