// splice_translate.h: a segment of a spliced connection says in the other side's numbers what it said in its own:
// sequence and acknowledgment number, window, timestamps (RFC 7323), SACK blocks (RFC 2018).
// Route:  rewrite_packet > splice_translate; translate_icmp_error > seq_delta_of
// Thread: owning worker; pure functions of the segment and the splice.
// Holds:  the length of a segment never changes. The urgent pointer is relative to the sequence number and stays.
// Tests:  tests/unit/tcp/splice_translate_test.cpp
#pragma once

#include <rte_tcp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/conn/conn_table.h"
#include "millrace/splice.h"

namespace millrace {

// What a Splice has for each direction lies side by side, the forward one first. No branch: directions change from
// packet to packet, and a branch on them would be mispredicted every other time.
template <typename T>
T field_of(const Splice& splice, size_t forward_offset, Direction direction) {
  T value;
  const size_t offset = forward_offset + static_cast<size_t>(direction) * sizeof value;
  std::memcpy(&value, reinterpret_cast<const uint8_t*>(&splice) + offset, sizeof value);
  return value;
}
constexpr Direction opposite(Direction direction) {
  return static_cast<Direction>(static_cast<uint8_t>(direction) ^ 1);
}

// What is added to a value of that direction's sender on its way (forward: the client's), and taken from its receiver's
// echo of it.
inline uint32_t seq_delta_of(const Splice& splice, Direction direction) {
  static_assert(offsetof(Splice, reverse_seq_delta) == offsetof(Splice, forward_seq_delta) + sizeof(uint32_t));
  return field_of<uint32_t>(splice, offsetof(Splice, forward_seq_delta), direction);
}
inline uint32_t ts_delta_of(const Splice& splice, Direction direction) {
  static_assert(offsetof(Splice, reverse_ts_delta) == offsetof(Splice, forward_ts_delta) + sizeof(uint32_t));
  return field_of<uint32_t>(splice, offsetof(Splice, forward_ts_delta), direction);
}
inline int8_t window_shift_of(const Splice& splice, Direction direction) {
  static_assert(offsetof(Splice, reverse_window_shift) == offsetof(Splice, forward_window_shift) + sizeof(int8_t));
  return field_of<int8_t>(splice, offsetof(Splice, forward_window_shift), direction);
}
// kSplice… of the side that the direction comes from.
inline uint8_t sender_has(const Splice& splice, Direction direction) {
  static_assert(offsetof(Splice, backend_has) == offsetof(Splice, client_has) + sizeof(uint8_t));
  return field_of<uint8_t>(splice, offsetof(Splice, client_has), direction);
}

inline constexpr int8_t kWindowShiftMax = 14;  // RFC 7323 section 2.3

// A window field on its way; saturates (RFC 7323 section 2.3).
inline uint16_t shift_window(uint16_t window, int8_t shift) {
  // From shared memory: what no two scales make is no shift.
  if (shift < -kWindowShiftMax || shift > kWindowShiftMax) return window;
  if (shift <= 0) return static_cast<uint16_t>(window >> -shift);
  const uint32_t wide = uint32_t{window} << shift;
  return static_cast<uint16_t>(wide > 0xffff ? 0xffff : wide);
}

// In place, all but the checksum: returns the delta to apply to it (checksum.h). The whole TCP header lies in the frame.
uint16_t splice_translate(rte_tcp_hdr& tcp, const Splice& splice, Direction direction);

}  // namespace millrace
