// internet_checksum.h: RFC 1071, by plain addition of 16-bit words, most significant byte first.
#pragma once

#include <cstdint>
#include <span>

#include "millrace/addr.h"

namespace millrace::sim {

inline uint64_t add_words(uint64_t sum, std::span<const uint8_t> bytes) {
  size_t i = 0;
  for (; i + 1 < bytes.size(); i += 2) sum += static_cast<uint64_t>(bytes[i] << 8 | bytes[i + 1]);
  return i < bytes.size() ? sum + static_cast<uint64_t>(bytes[i] << 8) : sum;
}

inline uint16_t folded(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// What the checksum field must hold when it counts as zero in `bytes`; 0 when it is in there and right.
inline uint16_t internet_checksum(std::span<const uint8_t> bytes) { return folded(add_words(0, bytes)); }

// With the pseudo header of RFC 9293 section 3.1, RFC 8200 section 8.1.
inline uint16_t upper_checksum(const IpAddr& src, const IpAddr& dst, uint8_t proto, std::span<const uint8_t> bytes) {
  uint64_t sum = proto + bytes.size();
  for (const IpAddr* addr : {&src, &dst})
    sum = add_words(sum, std::span(addr->bytes).subspan(addr->is_ipv4() ? 12 : 0));
  return folded(add_words(sum, bytes));
}

}  // namespace millrace::sim
