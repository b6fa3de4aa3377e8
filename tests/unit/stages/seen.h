// seen.h: reads frames that came out, for the tests to compare.
#pragma once

#include <cstdint>

#include "millrace/addr.h"
#include "tests/unit/stages/wire.h"

namespace millrace {

// What a frame says about itself.
struct Seen {
  MacAddr dst_mac, src_mac;
  IpAddr src, dst;
  uint16_t src_port = 0, dst_port = 0;
  uint8_t ttl = 0;
  wire::Bytes l4;
};
Seen seen(const wire::Bytes& frame);
// The way back from where the frame was sent.
wire::Flow answer_to(const wire::Bytes& frame);

}  // namespace millrace
