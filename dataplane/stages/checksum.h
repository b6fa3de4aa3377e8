// checksum.h: the Internet checksum (RFC 1071), and how it follows a rewrite without reading the payload (RFC 1624).
// Arithmetic: one's complement over 16-bit words as they lie in memory; it is the same in either byte order, so
//         nothing is swapped. Sums are folded to 16 bits, not complemented; fields are what stands in the header.
// Thread: any; pure functions.
// Tests:  tests/unit/stages/checksum_test.cpp
#pragma once

#include <netinet/in.h>
#include <rte_ip.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "millrace/addr.h"
#include "millrace/conn_entry.h"

namespace millrace {

// An odd last byte counts as if a zero followed (RFC 1071 section 4.1).
inline uint16_t checksum_sum(const void* bytes, size_t count) { return rte_raw_cksum(bytes, count); }

// One's-complement addition of sums or deltas.
constexpr uint16_t checksum_add(uint16_t a, uint16_t b) {
  const uint32_t sum = uint32_t{a} + b;
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

// What a rewrite adds to the sum when words that summed up to `old_sum` now sum up to `new_sum`.
constexpr uint16_t checksum_delta(uint16_t old_sum, uint16_t new_sum) {
  return checksum_add(static_cast<uint16_t>(~old_sum), new_sum);
}

// The delta that undoes `delta`.
constexpr uint16_t reverse_delta(uint16_t delta) { return static_cast<uint16_t>(~delta); }

// RFC 1624 equation 3. Of the two zeros it gives 0x0000, as a full computation does, unless the field was 0xffff
// (which no sender computes) and the delta 0.
constexpr uint16_t apply_delta(uint16_t checksum_field, uint16_t delta) {
  return static_cast<uint16_t>(~checksum_add(static_cast<uint16_t>(~checksum_field), delta));
}

// The UDP rule (RFC 768): 0 says "no checksum" and stays; a checksum that comes out as 0 is sent as 0xffff.
constexpr uint16_t apply_udp_delta(uint16_t checksum_field, uint16_t delta) {
  if (checksum_field == 0) return 0;
  const uint16_t updated = apply_delta(checksum_field, delta);
  return updated == 0 ? 0xffff : updated;
}

// Delta of an IPv4 header whose TTL goes down by one; the TTL must be at least 1.
inline constexpr uint16_t kTtlDelta = static_cast<uint16_t>(~Be16::from_host(0x0100).raw);

// Sums of the words that a translation replaces.
inline uint16_t ports_sum(Be16 src, Be16 dst) { return checksum_add(src.raw, dst.raw); }
inline uint16_t addresses_sum(Be32 src, Be32 dst) {
  const uint32_t both[2] = {src.raw, dst.raw};
  return checksum_sum(both, sizeof both);
}
inline uint16_t addresses_sum(const std::array<uint8_t, 16>& src, const std::array<uint8_t, 16>& dst) {
  return checksum_add(checksum_sum(src.data(), src.size()), checksum_sum(dst.data(), dst.size()));
}

// Fills l3_delta and l4_delta of the forward rewrite (client, VIP) -> (SNAT, backend) from the entry's family,
// addresses and ports. IPv6 has no header checksum: l3_delta is 0 there.
inline void set_checksum_deltas(ConnEntry& entry) {
  const bool ipv4 = entry.family == Family::ipv4;
  const uint16_t addresses =
      ipv4 ? checksum_delta(addresses_sum(entry.client4, entry.vip4), addresses_sum(entry.snat4, entry.backend4))
           : checksum_delta(addresses_sum(entry.client6, entry.vip6), addresses_sum(entry.snat6, entry.backend6));
  const uint16_t ports =
      checksum_delta(ports_sum(entry.client_port, entry.vip_port), ports_sum(entry.snat_port, entry.backend_port));
  entry.l3_delta = ipv4 ? addresses : uint16_t{0};
  entry.l4_delta = checksum_add(addresses, ports);
}

// Of a header without options: three loads and five additions instead of a loop.
inline uint16_t plain_header_sum(const rte_ipv4_hdr& ip) {
  uint64_t first, second;
  static_assert(sizeof ip == 2 * sizeof first + sizeof ip.dst_addr);
  std::memcpy(&first, &ip, sizeof first);
  std::memcpy(&second, reinterpret_cast<const uint8_t*>(&ip) + sizeof first, sizeof second);
  const uint64_t sum =
      (first >> 32) + static_cast<uint32_t>(first) + (second >> 32) + static_cast<uint32_t>(second) + ip.dst_addr;
  const uint64_t folded = (sum >> 32) + (sum >> 16 & 0xffff) + (sum & 0xffff);
  return static_cast<uint16_t>((folded >> 16) + folded);
}

// The caller has checked that the whole header, options included, lies in the frame.
inline bool ipv4_header_checksum_valid(const rte_ipv4_hdr& ip) {
  if (ip.version_ihl == RTE_IPV4_VHL_DEF) [[likely]]
    return plain_header_sum(ip) == 0xffff;
  return checksum_sum(&ip, rte_ipv4_hdr_len(&ip)) == 0xffff;
}

// Field value for an IPv4 header whose checksum field may hold anything.
inline uint16_t ipv4_header_checksum(rte_ipv4_hdr& ip) {
  ip.hdr_checksum = 0;
  return static_cast<uint16_t>(~checksum_sum(&ip, rte_ipv4_hdr_len(&ip)));
}

// Sum of the pseudo-header (RFC 9293 section 3.1; RFC 8200 section 8.1). `l4_bytes`: L4 header and payload.
inline uint16_t pseudo_header_sum(const rte_ipv4_hdr& ip, uint8_t proto, uint16_t l4_bytes) {
  const uint16_t tail = checksum_add(Be16::from_host(proto).raw, Be16::from_host(l4_bytes).raw);
  return checksum_add(checksum_sum(&ip.src_addr, 2 * sizeof ip.src_addr), tail);
}
inline uint16_t pseudo_header_sum(const rte_ipv6_hdr& ip, uint8_t proto, uint16_t l4_bytes) {
  const uint16_t tail = checksum_add(Be16::from_host(proto).raw, Be16::from_host(l4_bytes).raw);
  return checksum_add(checksum_sum(ip.src_addr, sizeof ip.src_addr + sizeof ip.dst_addr), tail);
}

// Whole-packet checks. `l4` to `l4 + l4_bytes` is the L4 header and payload by the IP length, all in the frame; at
// least the fixed header of `proto` (TCP, UDP, ICMP, ICMPv6). A UDP checksum of 0 is none over IPv4, and wrong over
// IPv6 (RFC 8200 section 8.1). ICMP over IPv4 has no pseudo-header (RFC 792).
inline bool udp_checksum_absent(const void* l4) {
  uint16_t field;
  std::memcpy(&field, static_cast<const uint8_t*>(l4) + 6, sizeof field);
  return field == 0;
}
inline bool l4_checksum_valid(const rte_ipv4_hdr& ip, uint8_t proto, const void* l4, uint16_t l4_bytes) {
  if (proto == IPPROTO_UDP && udp_checksum_absent(l4)) return true;
  const uint16_t sum = checksum_sum(l4, l4_bytes);
  if (proto == IPPROTO_ICMP) return sum == 0xffff;
  return checksum_add(sum, pseudo_header_sum(ip, proto, l4_bytes)) == 0xffff;
}
inline bool l4_checksum_valid(const rte_ipv6_hdr& ip, uint8_t proto, const void* l4, uint16_t l4_bytes) {
  if (proto == IPPROTO_UDP && udp_checksum_absent(l4)) return false;
  return checksum_add(checksum_sum(l4, l4_bytes), pseudo_header_sum(ip, proto, l4_bytes)) == 0xffff;
}

}  // namespace millrace
