// frame_deck.h: the packets that a benchmark plays, as ready-made headers in the order of play.
// A slot holds a frame's first 64 or 128 bytes: all of its headers. What follows in longer frames is zero.
// Thread: one.      Memory: 66 B a frame, 130 B where the headers need it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "perf/micro/frame.h"

namespace millrace::perf {

class FrameDeck {
 public:
  // `option_bytes`: of TCP, at most.
  FrameDeck(Family family, Proto proto, uint16_t option_bytes = 0)
      : slot_bytes_(header_bytes(family, proto, option_bytes) <= 64 ? 64 : 128) {}

  void add(const FrameFields& fields) {
    const size_t at = slots_.size();
    slots_.resize(at + slot_bytes_);
    write_headers(&slots_[at], fields);
    data_bytes_.push_back(fields.data_bytes);
  }
  // Headers made by hand, as many bytes of them as a slot has.
  void add_headers(std::span<const uint8_t> headers, uint16_t data_bytes) {
    slots_.insert(slots_.end(), headers.begin(), headers.begin() + slot_bytes_);
    data_bytes_.push_back(data_bytes);
  }
  void reserve(size_t frames) {
    slots_.reserve(frames * slot_bytes_);
    data_bytes_.reserve(frames);
  }
  void clear() {
    slots_.clear();
    data_bytes_.clear();
  }

  size_t size() const { return data_bytes_.size(); }
  uint32_t slot_bytes() const { return slot_bytes_; }
  const uint8_t* slot(size_t index) const { return slots_.data() + index * slot_bytes_; }
  uint16_t data_bytes(size_t index) const { return data_bytes_[index]; }  // without FCS

 private:
  uint32_t slot_bytes_;
  std::vector<uint8_t> slots_;
  std::vector<uint16_t> data_bytes_;
};

}  // namespace millrace::perf
