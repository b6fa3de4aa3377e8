// frame.h: Ethernet frames with TCP or UDP inside, made anew from what should stand in them.
// Serves both ends of a benchmark: what is played, and what must come out.
// Holds:  shares no code with the dataplane, checksums are computed here by plain addition, so that comparing bytes
//         checks everything at once.
// Thread: any; pure functions.
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/stages/burst.h"

namespace millrace::perf {

inline constexpr uint32_t kFcsBytes = 4;

// What a TCP header says besides ports and flags.
struct TcpFields {
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t window = 0;
  // Options, laid out as Linux does. The first three stand in SYNs alone.
  uint16_t mss = 0;  // 0: not said
  std::optional<uint8_t> window_scale;
  bool sack_permitted = false;
  bool timestamps = false;
  uint32_t ts_value = 0;
  uint32_t ts_echo = 0;
};
inline constexpr uint16_t kTimestampBytes = 12;
inline constexpr uint16_t kSynOptionBytes = 20;  // all of them
uint16_t tcp_option_bytes(const TcpFields& tcp);

// Frame, without FCS, that has no payload.
uint16_t header_bytes(Family family, Proto proto, uint16_t option_bytes = 0);
// Frame, without FCS, of `frame_bytes` on the wire, raised to what must be in it.
uint16_t data_bytes_of(Family family, Proto proto, uint32_t frame_bytes);

struct FrameFields {
  Tuple tuple;
  MacAddr dst_mac;
  MacAddr src_mac;
  uint8_t ttl = 64;
  uint8_t tcp_flags = 0;
  TcpFields tcp;
  uint16_t data_bytes = 0;  // without FCS; what follows the headers is zero
};

// Writes header_bytes(), with options.
void write_headers(uint8_t* frame, const FrameFields& fields);

// Of a frame that has all of its headers, unchecked.
Tuple read_tuple(const uint8_t* frame);
uint8_t read_tcp_flags(const uint8_t* frame);  // UDP: 0
TcpFields read_tcp(const uint8_t* frame);      // UDP: all zero

}  // namespace millrace::perf
