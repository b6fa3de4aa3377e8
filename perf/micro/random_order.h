// random_order.h: the numbers 0 .. 2^bits - 1, each once, in an order that no prefetcher follows; without a table of
// them.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>

namespace millrace::perf {

class RandomOrder {
 public:
  // `count` is a power of two.
  RandomOrder(uint32_t count, uint32_t seed)
      : mask_(count - 1), shift_(static_cast<unsigned>(std::bit_width(count - 1) + 1) / 2), seed_(seed * 0x9e3779b9u) {}

  // Each step can be undone modulo 2^bits (odd factor, shift by half the width or more, XOR), so all of them together.
  uint32_t operator[](uint32_t place) const {
    uint32_t x = (place ^ seed_) & mask_;
    for (const uint32_t factor : {0x2c1b3c6du, 0x297a2d39u, 0x85ebca6bu}) {
      x = x * factor & mask_;
      x ^= x >> shift_;
      x = (x + seed_) & mask_;
    }
    return x;
  }

 private:
  uint32_t mask_;
  unsigned shift_;
  uint32_t seed_;
};

}  // namespace millrace::perf
