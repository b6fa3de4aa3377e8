// toeplitz.h: the Toeplitz hash of the Microsoft RSS specification, as NICs compute it, from precomputed tables.
// The hash is linear over XOR: that of an input is the XOR of the parts of its bytes, each looked up by position
// and value. 36 positions cover the longest RSS input, an IPv6 4-tuple.
// Memory: 36 KiB a key; IPv4 touches the first third.      Tests: tests/unit/conn/owner_test.cpp
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace {

inline constexpr unsigned kRssKeyBytes = 40;
inline constexpr size_t kRssInputBytesMax = 36;

class ToeplitzTable {
 public:
  explicit constexpr ToeplitzTable(const std::array<uint8_t, kRssKeyBytes>& key) {
    for (size_t position = 0; position < kRssInputBytesMax; ++position) {
      // The 39 key bits that the 8 input bits of this position meet: bit i meets bits [i, i + 32).
      uint64_t window = 0;
      for (size_t i = 0; i < 5; ++i) window = window << 8 | key[position + i];
      for (unsigned value = 1; value < 256; ++value) {
        const unsigned rest = value & (value - 1);
        const unsigned lowest_bit = static_cast<unsigned>(std::countr_zero(value));
        parts_[position][value] = parts_[position][rest] ^ static_cast<uint32_t>(window >> (lowest_bit + 1));
      }
    }
  }

  // What `bytes` at `position` of the input add to its hash.
  constexpr uint32_t part(size_t position, std::span<const uint8_t> bytes) const {
    uint32_t hash = 0;
    for (size_t i = 0; i < bytes.size(); ++i) hash ^= parts_[position + i][bytes[i]];
    return hash;
  }
  constexpr uint32_t part16(size_t position, uint16_t value) const {
    return parts_[position][value >> 8] ^ parts_[position + 1][value & 0xff];
  }

 private:
  std::array<std::array<uint32_t, 256>, kRssInputBytesMax> parts_{};
};

}  // namespace millrace
