#include "perf/micro/frame.h"

#include <algorithm>
#include <cstring>

namespace millrace::perf {
namespace {

constexpr uint16_t kEtherBytes = 14, kIp4Bytes = 20, kIp6Bytes = 40, kTcpBytes = 20, kUdpBytes = 8;

void put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

// RFC 1071 as it stands there: big-endian words, `bytes` is even.
uint32_t sum_words(const uint8_t* at, unsigned bytes) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < bytes; i += 2) sum += static_cast<uint32_t>(at[i] << 8 | at[i + 1]);
  return sum;
}
uint32_t checksum_of(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

uint8_t* write_ip4(uint8_t* ip, const FrameFields& fields, uint16_t l4_bytes) {
  std::memset(ip, 0, kIp4Bytes);
  ip[0] = 0x45;
  put16(ip + 2, kIp4Bytes + l4_bytes);
  ip[6] = 0x40;  // don't fragment
  ip[8] = fields.ttl;
  ip[9] = static_cast<uint8_t>(fields.tuple.proto);
  std::memcpy(ip + 12, fields.tuple.src.bytes.data() + 12, 4);
  std::memcpy(ip + 16, fields.tuple.dst.bytes.data() + 12, 4);
  put16(ip + 10, checksum_of(sum_words(ip, kIp4Bytes)));
  return ip + kIp4Bytes;
}

uint8_t* write_ip6(uint8_t* ip, const FrameFields& fields, uint16_t l4_bytes) {
  std::memset(ip, 0, 8);
  ip[0] = 0x60;
  put16(ip + 4, l4_bytes);
  ip[6] = static_cast<uint8_t>(fields.tuple.proto);
  ip[7] = fields.ttl;
  std::memcpy(ip + 8, fields.tuple.src.bytes.data(), 16);
  std::memcpy(ip + 24, fields.tuple.dst.bytes.data(), 16);
  return ip + kIp6Bytes;
}

// `address_sum`: of both addresses. The payload is all zero and adds nothing.
void write_l4(uint8_t* l4, const FrameFields& fields, uint16_t l4_bytes, uint32_t address_sum) {
  const bool tcp = fields.tuple.proto == Proto::tcp;
  const unsigned header = tcp ? kTcpBytes : kUdpBytes;
  std::memset(l4, 0, header);
  put16(l4, fields.tuple.src_port.host());
  put16(l4 + 2, fields.tuple.dst_port.host());
  if (tcp) {
    l4[12] = kTcpBytes / 4 << 4;
    l4[13] = fields.tcp_flags;
  } else {
    put16(l4 + 4, l4_bytes);
  }
  const uint32_t pseudo_sum = address_sum + static_cast<uint32_t>(fields.tuple.proto) + l4_bytes;
  const uint32_t checksum = checksum_of(pseudo_sum + sum_words(l4, header));
  // RFC 768: a datagram's zero would mean that there is none.
  put16(l4 + (tcp ? 16 : 6), !tcp && checksum == 0 ? 0xffff : checksum);
}

}  // namespace

uint16_t header_bytes(Family family, Proto proto) {
  return static_cast<uint16_t>(kEtherBytes + (family == Family::ipv4 ? kIp4Bytes : kIp6Bytes) +
                               (proto == Proto::tcp ? kTcpBytes : kUdpBytes));
}

uint16_t data_bytes_of(Family family, Proto proto, uint32_t frame_bytes) {
  return static_cast<uint16_t>(std::max<uint32_t>(frame_bytes - kFcsBytes, header_bytes(family, proto)));
}

void write_headers(uint8_t* frame, const FrameFields& fields) {
  std::memcpy(frame, fields.dst_mac.bytes.data(), 6);
  std::memcpy(frame + 6, fields.src_mac.bytes.data(), 6);
  const bool ipv4 = fields.tuple.src.is_ipv4();
  put16(frame + 12, ipv4 ? 0x0800 : 0x86dd);
  uint8_t* ip = frame + kEtherBytes;
  const auto l4_bytes = static_cast<uint16_t>(fields.data_bytes - kEtherBytes - (ipv4 ? kIp4Bytes : kIp6Bytes));
  uint8_t* l4 = ipv4 ? write_ip4(ip, fields, l4_bytes) : write_ip6(ip, fields, l4_bytes);
  write_l4(l4, fields, l4_bytes, ipv4 ? sum_words(ip + 12, 8) : sum_words(ip + 8, 32));
}

Tuple read_tuple(const uint8_t* frame) {
  Tuple tuple;
  const uint8_t* ip = frame + kEtherBytes;
  const bool ipv4 = ip[0] >> 4 == 4;
  if (ipv4) {
    Be32 src, dst;
    std::memcpy(&src.raw, ip + 12, sizeof src.raw);
    std::memcpy(&dst.raw, ip + 16, sizeof dst.raw);
    tuple.src = IpAddr::from_ipv4(src);
    tuple.dst = IpAddr::from_ipv4(dst);
    tuple.proto = static_cast<Proto>(ip[9]);
  } else {
    std::memcpy(tuple.src.bytes.data(), ip + 8, tuple.src.bytes.size());
    std::memcpy(tuple.dst.bytes.data(), ip + 24, tuple.dst.bytes.size());
    tuple.proto = static_cast<Proto>(ip[6]);
  }
  const uint8_t* ports = ip + (ipv4 ? kIp4Bytes : kIp6Bytes);
  std::memcpy(&tuple.src_port.raw, ports, sizeof tuple.src_port.raw);
  std::memcpy(&tuple.dst_port.raw, ports + 2, sizeof tuple.dst_port.raw);
  return tuple;
}

uint8_t read_tcp_flags(const uint8_t* frame) {
  const bool ipv4 = frame[kEtherBytes] >> 4 == 4;
  const uint8_t proto = frame[kEtherBytes + (ipv4 ? 9 : 6)];
  return proto == static_cast<uint8_t>(Proto::tcp) ? frame[kEtherBytes + (ipv4 ? kIp4Bytes : kIp6Bytes) + 13]
                                                   : uint8_t{};
}

}  // namespace millrace::perf
