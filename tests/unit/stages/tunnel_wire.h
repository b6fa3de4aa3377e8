// tunnel_wire.h: tunnelled packets for tests, put together and taken apart without the code that they test.
#pragma once

#include "dataplane/stages/encapsulate.h"
#include "tests/unit/stages/wire.h"

namespace millrace {

struct TunnelCase {
  const char* name;
  Family inner;
  Family outer;
  Encapsulation encapsulation;
};
inline constexpr TunnelCase kTunnelCases[] = {
    {"4_in_4", Family::ipv4, Family::ipv4, Encapsulation::ip},
    {"6_in_4", Family::ipv6, Family::ipv4, Encapsulation::ip},
    {"4_in_6", Family::ipv4, Family::ipv6, Encapsulation::ip},
    {"6_in_6", Family::ipv6, Family::ipv6, Encapsulation::ip},
    {"4_gue_4", Family::ipv4, Family::ipv4, Encapsulation::gue},
    {"6_gue_4", Family::ipv6, Family::ipv4, Encapsulation::gue},
    {"4_gue_6", Family::ipv4, Family::ipv6, Encapsulation::gue},
    {"6_gue_6", Family::ipv6, Family::ipv6, Encapsulation::gue},
};

// The ends of an outer packet.
struct OuterEnds {
  IpAddr src;
  IpAddr dst;
  uint16_t src_port = 0;  // gue
  uint16_t dst_port = 0;
};

// The IP packet that a tunnel should make of `inner`; over IPv6 with flow label 0.
wire::Bytes tunnelled(const TunnelCase& tunnel, const OuterEnds& ends, const wire::Bytes& inner, uint8_t tos = 0);

// What a frame holds: the packet in it, and that one's ends.
struct Unwrapped {
  OuterEnds ends;
  wire::Bytes outer;  // the IP packet, its flow label 0
  wire::Bytes inner;
};
Unwrapped unwrap(const TunnelCase& tunnel, const wire::Bytes& frame);

}  // namespace millrace
