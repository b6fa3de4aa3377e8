// frame_deck.h: the packets that a benchmark plays, as ready-made headers in the order of play.
// A slot holds a frame's first 64 or 128 bytes: all of its headers. What follows in longer frames is zero.
// Thread: one.      Memory: 64 B a frame, 128 B where the headers need it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/stages/burst.h"

namespace millrace::perf {

class FrameDeck {
 public:
  // `frame_bytes` as on the wire, with FCS; raised to what the headers need.
  FrameDeck(Family family, Proto proto, uint32_t frame_bytes);

  // A TCP segment with these flags, or a UDP datagram; right in every checksum.
  void add(const Tuple& tuple, uint8_t tcp_flags);
  void shuffle(uint32_t seed);

  size_t size() const { return slots_.size() / slot_bytes_; }
  const uint8_t* slot(size_t index) const { return slots_.data() + index * slot_bytes_; }
  uint32_t slot_bytes() const { return slot_bytes_; }
  uint16_t data_bytes() const { return data_bytes_; }        // without FCS
  uint32_t frame_bytes() const { return data_bytes_ + 4u; }  // with FCS
  void reserve(size_t frames) { slots_.reserve(frames * slot_bytes_); }

 private:
  Family family_;
  Proto proto_;
  uint16_t data_bytes_;
  uint32_t slot_bytes_;
  std::vector<uint8_t> slots_;
};

// Of a frame that a worker sent: its tuple, without further checks.
Tuple read_tuple(const std::vector<uint8_t>& frame);

}  // namespace millrace::perf
