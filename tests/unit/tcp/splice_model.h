// splice_model.h: what splice_translate() should make of a segment, by a model that knows nothing of it: it reads field
// by field, byte by byte, and computes the checksum of the result from scratch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/tcp/splice_translate.h"
#include "dataplane/tcp/tcp_state.h"
#include "tests/unit/stages/wire.h"

namespace millrace {

inline constexpr size_t kHeaderBytes = 20;
inline constexpr size_t kSeqAt = 4, kAckAt = 8, kFlagsAt = 13, kWindowAt = 14, kChecksumAt = 16;
inline constexpr uint8_t kBoth = kSpliceTimestamps | kSpliceSack;

inline uint32_t get32(const wire::Bytes& bytes, size_t at) {
  return uint32_t{wire::get16(bytes, at)} << 16 | wire::get16(bytes, at + 2);
}

struct Fields {
  uint32_t seq = 1;
  uint32_t ack = 2;
  uint8_t flags = kTcpAck;
  uint16_t window = 1000;
  uint16_t urgent = 7;
};

// A TCP header and payload, checksum right. `options` of any length are filled up with NOPs.
wire::Bytes segment_of(const Fields& fields, wire::Bytes options = {}, const wire::Bytes& payload = {0xde, 0xad, 0xbe});
// Options of such a segment.
wire::Bytes timestamps(uint32_t value, uint32_t echo);
wire::Bytes sack(const std::vector<uint32_t>& edges);

bool checksum_is_right(const wire::Bytes& segment);

wire::Bytes modelled(wire::Bytes segment, const Splice& splice, Direction direction);
// The code under test, and the checksum's field updated by the delta that it returns.
wire::Bytes translated(const wire::Bytes& segment, const Splice& splice, Direction direction);

}  // namespace millrace
