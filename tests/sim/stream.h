// stream.h: what one side says: each byte is a function of (connection, life, side, offset), so that nothing has to be kept
// to know what should arrive.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace millrace::sim {

inline constexpr int16_t kAnyByte = -1;

class Stream {
 public:
  Stream(uint64_t key, uint64_t byte_count) : key_(key), byte_count_(byte_count) {}
  // The same stream behind bytes that the middle says first (PROXY protocol); kAnyByte where nobody can know them.
  Stream behind(std::vector<int16_t> preamble) const;

  uint64_t byte_count() const { return preamble_.size() + byte_count_; }
  uint64_t preamble_bytes() const { return preamble_.size(); }
  void fill(uint64_t offset, std::span<uint8_t> bytes) const;
  // How many of the bytes are as they should be before the first that is not.
  uint64_t matching(uint64_t offset, std::span<const uint8_t> bytes) const;

 private:
  uint64_t key_;
  uint64_t byte_count_;  // without the preamble
  std::vector<int16_t> preamble_;
};

}  // namespace millrace::sim
