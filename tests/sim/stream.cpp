#include "tests/sim/stream.h"

#include <algorithm>

#include "tests/sim/random.h"

namespace millrace::sim {

Stream Stream::behind(std::vector<int16_t> preamble) const {
  Stream longer = *this;
  longer.preamble_ = std::move(preamble);
  return longer;
}

void Stream::fill(uint64_t offset, std::span<uint8_t> bytes) const {
  size_t done = 0;
  for (; done < bytes.size() && offset + done < preamble_.size(); ++done)
    bytes[done] = static_cast<uint8_t>(preamble_[offset + done]);
  uint64_t at = offset + done - preamble_.size();
  while (done < bytes.size()) {
    // Eight bytes at a time.
    uint64_t word = scramble(key_ + (at / 8) * 0x9e3779b97f4a7c15) >> (at % 8 * 8);
    const size_t end = std::min(bytes.size(), done + 8 - at % 8);
    at += end - done;
    for (; done < end; ++done, word >>= 8) bytes[done] = static_cast<uint8_t>(word);
  }
}

uint64_t Stream::matching(uint64_t offset, std::span<const uint8_t> bytes) const {
  if (offset >= byte_count()) return 0;
  std::vector<uint8_t> wanted(std::min<uint64_t>(bytes.size(), byte_count() - offset));
  fill(offset, wanted);
  for (size_t i = 0; i < wanted.size() && offset + i < preamble_.size(); ++i)
    if (preamble_[offset + i] == kAnyByte) wanted[i] = bytes[i];
  const auto differs = std::mismatch(wanted.begin(), wanted.end(), bytes.begin());
  return static_cast<uint64_t>(differs.first - wanted.begin());
}

}  // namespace millrace::sim
