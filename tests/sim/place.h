// place.h: where in a stream something stands, without wrapping: 0 is the SYN, 1 the first byte, the FIN follows the last
// byte. A sequence number is the place plus the initial sequence number, mod 2^32.
#pragma once

#include <cstdint>

namespace millrace::sim {

using Place = uint64_t;
using VirtualMs = uint64_t;
inline constexpr VirtualMs kNever = UINT64_MAX;

inline uint32_t sequence_of(Place place, uint32_t initial) { return initial + static_cast<uint32_t>(place); }

// The place nearest to `near` that has this sequence number. Negative: before the SYN.
inline int64_t place_of(uint32_t sequence, uint32_t initial, Place near) {
  return static_cast<int64_t>(near) + static_cast<int32_t>(sequence - sequence_of(near, initial));
}

}  // namespace millrace::sim
