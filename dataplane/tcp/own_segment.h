// own_segment.h: TCP segments that the dataplane itself says: answers to SYNs, its own handshakes with backends, resets.
// Route:  answer_syn | send_to_client | send_to_backend > write_segment > send_along
// Thread: any; touches the given buffer alone.
// Tests:  tests/unit/tcp/own_segment_test.cpp
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/tcp/tcp_options.h"
#include "millrace/addr.h"

struct rte_mbuf;

namespace millrace {

struct OwnSegment {
  Endpoint src;
  Endpoint dst;  // of the same family
  uint32_t seq = 0;
  uint32_t ack = 0;  // 0 without kTcpAck in flags
  uint8_t flags = 0;
  uint16_t window = 0;  // as it stands in the header
  TcpOptions options;
};

// Headers before the payload: Ethernet, IPv6, TCP with every option.
inline constexpr size_t kOwnHeaderBytesMax = 14 + 40 + 20 + kOptionBytesMax;

// Makes an Ethernet frame (EtherType set, MAC addresses not) of the buffer, whatever it held. False: it is too small.
bool write_segment(rte_mbuf& frame, const OwnSegment& segment, std::span<const uint8_t> payload = {});

}  // namespace millrace
