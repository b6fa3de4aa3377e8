// random.h: numbers drawn from a seed (SplitMix64): the same seed and stream, the same numbers, on every machine.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace millrace::sim {

// A value that looks unrelated to its neighbours'.
constexpr uint64_t scramble(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

class Random {
 public:
  // Streams of one seed have nothing in common.
  Random(uint64_t seed, uint64_t stream) : state_(scramble(seed + 0x5851f42d4c957f2d) ^ scramble(~stream)) {}

  uint64_t next() { return scramble(state_ += 0x9e3779b97f4a7c15); }
  uint32_t word() { return static_cast<uint32_t>(next() >> 32); }
  // 0 .. count - 1.
  uint64_t below(uint64_t count) { return static_cast<uint64_t>(static_cast<Wide>(next()) * count >> 64); }
  uint64_t between(uint64_t first, uint64_t last) { return first + below(last - first + 1); }
  uint32_t small_between(uint32_t first, uint32_t last) { return static_cast<uint32_t>(between(first, last)); }
  // Every order of magnitude, by powers of two, is as likely as the next. 1 <= first <= last.
  uint64_t magnitude(uint64_t first, uint64_t last) {
    const auto lowest = static_cast<unsigned>(std::bit_width(first)),
               highest = static_cast<unsigned>(std::bit_width(last));
    const uint64_t floor = uint64_t{1} << (between(lowest, highest) - 1);
    const uint64_t value = floor + below(floor);
    return value < first ? first : value > last ? last : value;
  }
  bool chance(double probability) { return static_cast<double>(next() >> 11) * 0x1p-53 < probability; }
  template <typename Value, size_t kCount>
  Value one_of(const std::array<Value, kCount>& values) {
    return values[below(kCount)];
  }

 private:
  __extension__ using Wide = unsigned __int128;
  uint64_t state_;
};

}  // namespace millrace::sim
