// wire.h: packets for tests, put together byte by byte, and an mbuf over plain memory to hand them to the stages.
// Holds:  shares no code with what it tests: checksums are computed here by plain big-endian addition.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "millrace/addr.h"

namespace millrace::wire {

using Bytes = std::vector<uint8_t>;

inline void put16(Bytes& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
inline void set16(Bytes& bytes, size_t at, uint32_t value) {
  bytes.at(at) = static_cast<uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<uint8_t>(value);
}
inline uint16_t get16(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}
inline Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline Bytes first(const Bytes& bytes, size_t count) {
  return {bytes.begin(), bytes.begin() + static_cast<long>(count)};
}

// What the checksum field must hold, in host order, when the field counts as zero in `bytes`.
inline uint16_t checksum(const Bytes& bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 ? bytes[i] : uint64_t{bytes[i]} << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

inline Bytes address(const IpAddr& addr) {
  return addr.is_ipv4() ? Bytes(addr.bytes.begin() + 12, addr.bytes.end())
                        : Bytes(addr.bytes.begin(), addr.bytes.end());
}
inline Bytes pseudo_header(const IpAddr& src, const IpAddr& dst, uint8_t proto, size_t l4_bytes) {
  Bytes out = joined(address(src), address(dst));
  put16(out, proto);
  put16(out, static_cast<uint32_t>(l4_bytes));
  return out;
}

// Ends of a packet.
struct Flow {
  IpAddr src;
  IpAddr dst;
  uint16_t src_port = 0;
  uint16_t dst_port = 0;
};

inline Bytes udp(const Flow& flow, const Bytes& payload, bool with_checksum = true) {
  Bytes out;
  put16(out, flow.src_port);
  put16(out, flow.dst_port);
  put16(out, static_cast<uint32_t>(8 + payload.size()));
  put16(out, 0);
  out = joined(out, payload);
  if (!with_checksum) return out;
  const uint16_t field = checksum(joined(pseudo_header(flow.src, flow.dst, 17, out.size()), out));
  set16(out, 6, field == 0 ? 0xffff : field);
  return out;
}

inline Bytes tcp(const Flow& flow, uint8_t flags, const Bytes& payload, uint32_t sequence = 1) {
  Bytes out;
  put16(out, flow.src_port);
  put16(out, flow.dst_port);
  put16(out, sequence >> 16);
  put16(out, sequence & 0xffff);
  put16(out, 0);
  put16(out, 0);
  put16(out, 0x5000u | flags);
  put16(out, 0x2000);
  put16(out, 0);
  put16(out, 0);
  out = joined(out, payload);
  set16(out, 16, checksum(joined(pseudo_header(flow.src, flow.dst, 6, out.size()), out)));
  return out;
}

// ICMP, or ICMPv6 by the family of `src`; `rest` is the second word of the header.
inline Bytes icmp(const IpAddr& src, const IpAddr& dst, uint8_t type, uint8_t code, uint32_t rest,
                  const Bytes& payload) {
  Bytes out = {type, code, 0, 0};
  put16(out, rest >> 16);
  put16(out, rest & 0xffff);
  out = joined(out, payload);
  const Bytes covered = src.is_ipv4() ? out : joined(pseudo_header(src, dst, 58, out.size()), out);
  set16(out, 2, checksum(covered));
  return out;
}

struct IpSettings {
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint16_t id = 0x1234;
  uint16_t fragment = 0x4000;  // DF
  Bytes options;               // IPv4; a multiple of 4
};

inline Bytes ip(const IpAddr& src, const IpAddr& dst, uint8_t proto, const Bytes& payload,
                const IpSettings& settings = {}) {
  Bytes out;
  if (src.is_ipv4()) {
    const size_t header_bytes = 20 + settings.options.size();
    put16(out, static_cast<uint32_t>((0x40 | header_bytes / 4) << 8 | settings.tos));
    put16(out, static_cast<uint32_t>(header_bytes + payload.size()));
    put16(out, settings.id);
    put16(out, settings.fragment);
    put16(out, static_cast<uint32_t>(settings.ttl << 8 | proto));
    put16(out, 0);
    out = joined(joined(joined(out, address(src)), address(dst)), settings.options);
    set16(out, 10, checksum(out));
  } else {
    put16(out, 0x6000u | settings.tos << 4);
    put16(out, 0);
    put16(out, static_cast<uint32_t>(payload.size()));
    put16(out, static_cast<uint32_t>(proto << 8 | settings.ttl));
    out = joined(joined(out, address(src)), address(dst));
  }
  return joined(out, payload);
}

inline Bytes ether(const MacAddr& dst, const MacAddr& src, uint16_t type, const Bytes& payload) {
  Bytes out(dst.bytes.begin(), dst.bytes.end());
  out.insert(out.end(), src.bytes.begin(), src.bytes.end());
  put16(out, type);
  return joined(out, payload);
}
inline Bytes ether(const MacAddr& dst, const MacAddr& src, const Bytes& ip_packet) {
  return ether(dst, src, (ip_packet.at(0) >> 4) == 4 ? 0x0800 : 0x86dd, ip_packet);
}

// Empty when every checksum of the TCP, UDP or ICMP frame is right and its lengths fit; else what is wrong.
inline std::string wrong_checksum(const Bytes& frame) {
  const bool ipv4 = get16(frame, 12) == 0x0800;
  const size_t header_bytes = ipv4 ? (frame.at(14) & 15) * 4u : 40u;
  const size_t total_bytes = ipv4 ? get16(frame, 16) : 40u + get16(frame, 18);
  if (14 + total_bytes > frame.size()) return "IP length";
  const Bytes packet(frame.begin() + 14, frame.begin() + 14 + static_cast<long>(total_bytes));
  if (ipv4 && checksum(first(packet, header_bytes)) != 0) return "IPv4 header checksum";
  const uint8_t proto = packet.at(ipv4 ? 9 : 6);
  const Bytes l4(packet.begin() + static_cast<long>(header_bytes), packet.end());
  if (proto == 17 && get16(l4, 6) == 0) return ipv4 ? "" : "UDP checksum missing";
  Bytes covered = l4;
  if (proto != 1) {
    const size_t at = ipv4 ? 12 : 8;
    Bytes pseudo(packet.begin() + static_cast<long>(at), packet.begin() + (ipv4 ? 20 : 40));
    put16(pseudo, proto);
    put16(pseudo, static_cast<uint32_t>(l4.size()));
    covered = joined(pseudo, l4);
  }
  return checksum(covered) == 0 ? "" : "L4 checksum";
}

// One segment in plain memory of exactly the size asked for, so that AddressSanitizer sees the first byte read past
// the frame when there is no tailroom.
class Frame {
 public:
  explicit Frame(const Bytes& content, size_t headroom = RTE_PKTMBUF_HEADROOM, size_t tailroom = 0)
      : memory_(new uint8_t[headroom + content.size() + tailroom]) {
    mbuf_->buf_addr = memory_.get();
    mbuf_->buf_len = static_cast<uint16_t>(headroom + content.size() + tailroom);
    mbuf_->data_off = static_cast<uint16_t>(headroom);
    mbuf_->data_len = static_cast<uint16_t>(content.size());
    mbuf_->pkt_len = static_cast<uint32_t>(content.size());
    mbuf_->nb_segs = 1;
    mbuf_->refcnt = 1;
    if (!content.empty()) std::memcpy(memory_.get() + headroom, content.data(), content.size());
  }
  rte_mbuf& mbuf() { return *mbuf_; }
  Bytes bytes() const {
    const auto* data = static_cast<const uint8_t*>(mbuf_->buf_addr) + mbuf_->data_off;
    return {data, data + mbuf_->data_len};
  }

 private:
  std::unique_ptr<uint8_t[]> memory_;
  std::unique_ptr<rte_mbuf> mbuf_ = std::make_unique<rte_mbuf>();
};

inline IpAddr addr(const char* text) { return parse_ip(text).value(); }

}  // namespace millrace::wire
