// tcp_talk.h: TCP segments with exact numbers for tests that play both ends: composed, and read back from frames.
#pragma once

#include "tests/unit/stages/testbed.h"

namespace millrace {

struct TalkOptions {
  uint16_t mss = 0;  // 0: not said; likewise below
  int window_scale = -1;
  bool sack_permitted = false;
  bool timestamps = false;
  uint32_t ts_value = 0;
  uint32_t ts_echo = 0;
  std::vector<std::pair<uint32_t, uint32_t>> sack;
};

struct Talk {
  wire::Flow flow;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  uint16_t urgent = 0;
  TalkOptions options;
  wire::Bytes payload;
};

wire::Bytes tcp_bytes(const Talk& talk);  // header and payload, checksum right
inline wire::Bytes packet_of(const Talk& talk) { return wire::ip(talk.flow.src, talk.flow.dst, 6, tcp_bytes(talk)); }
Talk read_talk(const wire::Bytes& frame);

}  // namespace millrace
