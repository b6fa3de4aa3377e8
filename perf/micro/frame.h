// frame.h: Ethernet frames with TCP or UDP inside, made anew from what should stand in them.
// Serves both ends of a benchmark: what is played, and what must come out.
// Holds:  shares no code with the dataplane, checksums are computed here by plain addition, so that comparing bytes
//         checks everything at once.
// Thread: any; pure functions.
#pragma once

#include <cstdint>

#include "dataplane/stages/burst.h"

namespace millrace::perf {

inline constexpr uint32_t kFcsBytes = 4;

// Frame, without FCS, that has no payload.
uint16_t header_bytes(Family family, Proto proto);
// Frame, without FCS, of `frame_bytes` on the wire, raised to what the headers need.
uint16_t data_bytes_of(Family family, Proto proto, uint32_t frame_bytes);

struct FrameFields {
  Tuple tuple;
  MacAddr dst_mac;
  MacAddr src_mac;
  uint8_t ttl = 64;
  uint8_t tcp_flags = 0;
  uint16_t data_bytes = 0;  // without FCS; what follows the headers is zero
};

// Writes header_bytes().
void write_headers(uint8_t* frame, const FrameFields& fields);

// Of a frame that has all of its headers, unchecked.
Tuple read_tuple(const uint8_t* frame);
uint8_t read_tcp_flags(const uint8_t* frame);  // UDP: 0

}  // namespace millrace::perf
