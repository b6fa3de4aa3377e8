// frame_layout.h: what stands where in a frame of ours. All fields that follow the headers, and the step, go through a
// balancer unchanged:
//   TCP  sequence number: flow id; acknowledgement number: slot; window: step; payload: stamp
//   UDP  payload: stamp, step, flow id
// The stamp is the TSC's lower 48 bits when the frame was made; at 4 GHz they last 19 hours. The rest of the payload is
// zero. Everything lies at an even offset, as checksums want it.
#pragma once

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "millrace/addr.h"

namespace millrace::traffic {

inline constexpr unsigned kFcsBytes = 4;
inline constexpr unsigned kFrameBytesMax = 1518;
inline constexpr unsigned kStampBytes = 6;
inline constexpr uint64_t kStampMask = (uint64_t{1} << 48) - 1;

// The life of a connection as steps, each answered as answers() says. UDP knows the data steps alone.
enum class Step : uint8_t {
  none,
  syn,             // client
  syn_ack,         // backend
  handshake_ack,   // client
  request,         // client
  response,        // backend
  response_ack,    // client
  client_fin,      // client
  client_fin_ack,  // backend
  backend_fin,     // backend
  last_ack,        // client
};
inline constexpr unsigned kStepCount = 11;

struct UdpPayload {
  uint8_t stamp[kStampBytes];
  uint16_t step;
  uint32_t id;
};
static_assert(sizeof(UdpPayload) == 12);

constexpr unsigned ip_bytes(Family family) {
  return family == Family::ipv4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
}
constexpr unsigned l4_offset(Family family) { return static_cast<unsigned>(sizeof(rte_ether_hdr)) + ip_bytes(family); }
constexpr unsigned payload_offset(Family family, Proto proto) {
  return l4_offset(family) + static_cast<unsigned>(proto == Proto::tcp ? sizeof(rte_tcp_hdr) : sizeof(rte_udp_hdr));
}
// With FCS. Frames of the wire have at least 64 bytes.
constexpr unsigned frame_bytes_min(Family family, Proto proto) {
  const unsigned payload = proto == Proto::tcp ? kStampBytes : static_cast<unsigned>(sizeof(UdpPayload));
  return std::max(64u, payload_offset(family, proto) + payload + kFcsBytes);
}

// Who sends what to whom, as on the wire.
struct Ends {
  Endpoint src;
  Endpoint dst;
};

}  // namespace millrace::traffic
