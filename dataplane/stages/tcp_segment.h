// tcp_segment.h: what a TCP packet of the burst says, in host order, for the paths that look at sequence numbers.
// Thread: owning worker. Good while the packet's mbuf is.
#pragma once

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/stages/burst.h"
#include "dataplane/tcp/tcp_options.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {

// Sequence numbers are compared modulo 2^32 (RFC 9293 section 3.4).
constexpr bool seq_before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

struct TcpSegment {
  const rte_tcp_hdr* header = nullptr;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t window = 0;
  uint16_t payload_bytes = 0;
  uint8_t flags = 0;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  uint32_t length() const { return payload_bytes + (has(kTcpSyn) ? 1u : 0u) + (has(kTcpFin) ? 1u : 0u); }
  uint32_t end() const { return seq + length(); }
  std::span<const uint8_t> payload() const {
    return {reinterpret_cast<const uint8_t*>(header) + tcp_header_bytes(*header), payload_bytes};
  }
};

// Of a packet of kind flow and protocol TCP.
inline TcpSegment tcp_segment(const Burst& burst, unsigned i) {
  const PacketInfo& info = burst.info[i];
  const auto* tcp = rte_pktmbuf_mtod_offset(burst.mbufs[i], const rte_tcp_hdr*, info.l4_offset);
  const unsigned l4_bytes = info.ip_bytes - (info.l4_offset - static_cast<unsigned>(sizeof(rte_ether_hdr)));
  return {.header = tcp,
          .seq = Be32{tcp->sent_seq}.host(),
          .ack = Be32{tcp->recv_ack}.host(),
          .window = Be16{tcp->rx_win}.host(),
          .payload_bytes = static_cast<uint16_t>(l4_bytes - tcp_header_bytes(*tcp)),
          .flags = tcp->tcp_flags};
}

}  // namespace millrace
