#include "tests/unit/stages/tunnel_wire.h"

#include "tests/unit/stages/testbed.h"

namespace millrace {

using wire::Bytes;

Bytes tunnelled(const TunnelCase& tunnel, const OuterEnds& ends, const Bytes& inner, uint8_t tos) {
  const uint8_t inner_proto = tunnel.inner == Family::ipv4 ? 4 : 41;
  const bool gue = tunnel.encapsulation == Encapsulation::gue;
  const wire::IpSettings settings{.ttl = 64, .tos = tos, .id = 0, .fragment = 0x4000, .options = {}};
  if (!gue) return wire::ip(ends.src, ends.dst, inner_proto, inner, settings);
  const Bytes payload = wire::joined({0, inner_proto, 0, 0}, inner);
  const bool with_checksum = tunnel.outer == Family::ipv6;
  const wire::Flow flow{ends.src, ends.dst, ends.src_port, ends.dst_port};
  return wire::ip(ends.src, ends.dst, 17, wire::udp(flow, payload, with_checksum), settings);
}

Unwrapped unwrap(const TunnelCase& tunnel, const Bytes& frame) {
  const Seen outer = seen(frame);
  const bool gue = tunnel.encapsulation == Encapsulation::gue;
  Unwrapped out;
  out.ends = {outer.src, outer.dst, gue ? outer.src_port : uint16_t{0}, gue ? outer.dst_port : uint16_t{0}};
  out.outer.assign(frame.begin() + 14, frame.end());
  if (tunnel.outer == Family::ipv6) {
    out.outer.at(1) &= 0xf0;
    out.outer.at(2) = out.outer.at(3) = 0;
  }
  out.inner.assign(outer.l4.begin() + (gue ? 12 : 0), outer.l4.end());
  return out;
}

}  // namespace millrace
