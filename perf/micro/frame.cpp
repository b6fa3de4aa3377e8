#include "perf/micro/frame.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>

namespace millrace::perf {
namespace {

constexpr uint16_t kEtherBytes = 14, kIp4Bytes = 20, kIp6Bytes = 40, kTcpBytes = 20, kUdpBytes = 8;

void put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

void put32(uint8_t* at, uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value);
}
uint32_t read16(const uint8_t* at) { return static_cast<uint32_t>(at[0] << 8 | at[1]); }
uint32_t read32(const uint8_t* at) { return read16(at) << 16 | read16(at + 2); }

// RFC 1071 as it stands there: big-endian words, `bytes` is even.
uint32_t sum_words(const uint8_t* at, unsigned bytes) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < bytes; i += 2) sum += read16(at + i);
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

// Kinds of RFC 9293, 7323 and 2018; NOPs fill up to whole words.
void write_options(uint8_t* at, const TcpFields& tcp) {
  const auto put = [&](std::initializer_list<uint8_t> bytes) { at = std::copy(bytes.begin(), bytes.end(), at); };
  if (tcp.mss != 0) put({2, 4, static_cast<uint8_t>(tcp.mss >> 8), static_cast<uint8_t>(tcp.mss)});
  if (tcp.timestamps) {
    if (tcp.sack_permitted)
      put({4, 2});
    else
      put({1, 1});
    put({8, 10});
    put32(at, tcp.ts_value);
    put32(at + 4, tcp.ts_echo);
    at += 8;
  } else if (tcp.sack_permitted) {
    put({1, 1, 4, 2});
  }
  if (tcp.window_scale) put({1, 3, 3, *tcp.window_scale});
}

void write_tcp(uint8_t* l4, const TcpFields& tcp, uint8_t flags) {
  put32(l4 + 4, tcp.seq);
  put32(l4 + 8, tcp.ack);
  l4[12] = static_cast<uint8_t>((kTcpBytes + tcp_option_bytes(tcp)) / 4 << 4);
  l4[13] = flags;
  put16(l4 + 14, tcp.window);
  write_options(l4 + kTcpBytes, tcp);
}

// `address_sum`: of both addresses. The payload is all zero and adds nothing.
void write_l4(uint8_t* l4, const FrameFields& fields, uint16_t l4_bytes, uint32_t address_sum) {
  const bool tcp = fields.tuple.proto == Proto::tcp;
  const unsigned header = tcp ? kTcpBytes + tcp_option_bytes(fields.tcp) : kUdpBytes;
  std::memset(l4, 0, header);
  put16(l4, fields.tuple.src_port.host());
  put16(l4 + 2, fields.tuple.dst_port.host());
  if (tcp) {
    write_tcp(l4, fields.tcp, fields.tcp_flags);
  } else {
    put16(l4 + 4, l4_bytes);
  }
  const uint32_t pseudo_sum = address_sum + static_cast<uint32_t>(fields.tuple.proto) + l4_bytes;
  const uint32_t checksum = checksum_of(pseudo_sum + sum_words(l4, header));
  // RFC 768: a datagram's zero would mean that there is none.
  put16(l4 + (tcp ? 16 : 6), !tcp && checksum == 0 ? 0xffff : checksum);
}

const uint8_t* l4_of(const uint8_t* frame) {
  return frame + kEtherBytes + (frame[kEtherBytes] >> 4 == 4 ? kIp4Bytes : kIp6Bytes);
}
Proto proto_of(const uint8_t* frame) {
  return static_cast<Proto>(frame[kEtherBytes + (frame[kEtherBytes] >> 4 == 4 ? 9 : 6)]);
}

void read_option(const uint8_t* at, TcpFields& tcp) {
  switch (at[0]) {
    case 2:
      tcp.mss = static_cast<uint16_t>(read16(at + 2));
      return;
    case 3:
      tcp.window_scale = at[2];
      return;
    case 4:
      tcp.sack_permitted = true;
      return;
    case 8:
      tcp.timestamps = true;
      tcp.ts_value = read32(at + 2);
      tcp.ts_echo = read32(at + 6);
      return;
  }
}

}  // namespace

uint16_t tcp_option_bytes(const TcpFields& tcp) {
  return static_cast<uint16_t>((tcp.mss != 0 ? 4 : 0) + (tcp.window_scale ? 4 : 0) +
                               (tcp.timestamps       ? kTimestampBytes
                                : tcp.sack_permitted ? 4
                                                     : 0));
}

uint16_t header_bytes(Family family, Proto proto, uint16_t option_bytes) {
  return static_cast<uint16_t>(kEtherBytes + (family == Family::ipv4 ? kIp4Bytes : kIp6Bytes) +
                               (proto == Proto::tcp ? kTcpBytes + option_bytes : kUdpBytes));
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
  const uint8_t* ports = l4_of(frame);
  std::memcpy(&tuple.src_port.raw, ports, sizeof tuple.src_port.raw);
  std::memcpy(&tuple.dst_port.raw, ports + 2, sizeof tuple.dst_port.raw);
  return tuple;
}

uint8_t read_tcp_flags(const uint8_t* frame) { return proto_of(frame) == Proto::tcp ? l4_of(frame)[13] : uint8_t{}; }

TcpFields read_tcp(const uint8_t* frame) {
  TcpFields tcp;
  if (proto_of(frame) != Proto::tcp) return tcp;
  const uint8_t* l4 = l4_of(frame);
  tcp.seq = read32(l4 + 4);
  tcp.ack = read32(l4 + 8);
  tcp.window = static_cast<uint16_t>(read16(l4 + 14));
  const uint8_t* end = l4 + (l4[12] >> 4) * 4;
  for (const uint8_t* at = l4 + kTcpBytes; at < end && at[0] != 0;) {
    const bool alone = at[0] == 1;
    if (!alone) read_option(at, tcp);
    at += alone ? 1 : std::max<unsigned>(at[1], 2);
  }
  return tcp;
}

}  // namespace millrace::perf
