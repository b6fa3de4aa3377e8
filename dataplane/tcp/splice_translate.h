// splice_translate.h: a segment of a spliced connection says in the other side's numbers what it said in its own:
// sequence and acknowledgment number, window, timestamps (RFC 7323), SACK blocks (RFC 2018).
// Route:  rewrite_packet > splice_translate; handle_error > splice_quoted_seq
// Thread: owning worker; pure functions of the segment and the splice.
// Holds:  the length of a segment never changes. The urgent pointer is relative to the sequence number and stays.
// Tests:  tests/unit/tcp/splice_translate_test.cpp
#pragma once

#include <rte_tcp.h>

#include <cstdint>

#include "dataplane/conn/conn_table.h"
#include "millrace/splice.h"

namespace millrace {

// What is added to a value of that direction's sender on its way (forward: the client's), and taken from its receiver's
// echo of it.
inline uint32_t seq_delta_of(const Splice& splice, Direction direction) {
  return direction == Direction::forward ? splice.forward_seq_delta : splice.reverse_seq_delta;
}
inline uint32_t ts_delta_of(const Splice& splice, Direction direction) {
  return direction == Direction::forward ? splice.forward_ts_delta : splice.reverse_ts_delta;
}
constexpr Direction opposite(Direction direction) {
  return direction == Direction::forward ? Direction::reverse : Direction::forward;
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
