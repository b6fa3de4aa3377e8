// frame_writer.h: makes the frames of one wire: a template, and what differs from frame to frame.
// Checksums are complete: computed from the words that vary, and the sum of those that do not.
// Thread: one.
// Tests:  tests/unit/traffic/frame_test.cpp
#pragma once

#include <array>
#include <cstdint>

#include "perf/traffic/frame_layout.h"

namespace millrace::traffic {

// What a frame says besides its addresses.
struct Message {
  Step step{};
  uint32_t id = 0;
  uint32_t slot = 0;  // TCP only
  uint64_t stamp = 0;
};

class FrameWriter {
 public:
  FrameWriter(Family family, Proto proto, const MacAddr& src, const MacAddr& dst);

  // `frame` has room for `frame_bytes` (with FCS, which is not written) and at least kTemplateBytes; everything behind
  // the template is zero already. Returns the bytes to send.
  uint16_t write(uint8_t* frame, const Ends& ends, const Message& message, uint16_t frame_bytes) const;

  static constexpr unsigned kTemplateBytes = 96;

 private:
  uint64_t write_ip(uint8_t* frame, const Ends& ends, uint16_t l4_bytes) const;
  void write_tcp(uint8_t* frame, const Ends& ends, const Message& message, uint64_t sum) const;
  void write_udp(uint8_t* frame, const Ends& ends, const Message& message, uint64_t sum, uint16_t l4_bytes) const;

  Family family_;
  Proto proto_;
  std::array<uint8_t, kTemplateBytes> template_{};
  uint64_t ip_sum_ = 0;  // of the IPv4 header's words that never change
};

}  // namespace millrace::traffic
