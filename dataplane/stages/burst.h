// burst.h: the arrays that one burst carries from stage to stage. Entry i of every array is about the same packet.
// Route:  poll_burst > parse_burst > lookup_burst > act_burst > rewrite_burst
// Thread: owning worker.
// Memory: about 6 KiB, in the worker, reused by every burst.
// Holds:  a packet whose kind is `done` has left (sent, handed over, diverted, dropped, held): nobody touches its mbuf.
#pragma once

#include <cstdint>

#include "dataplane/conn/conn_table.h"
#include "dataplane/ports/port.h"
#include "millrace/addr.h"
#include "millrace/drop_reason.h"
#include "millrace/limits.h"
#include "millrace/tuple.h"

struct rte_mbuf;

namespace millrace {

enum class PacketKind : uint8_t {
  flow,      // TCP or UDP; the key of its family is set
  trailing,  // a fragment without TCP or UDP header, whose ports are known: the key of its family is set
  direct,    // one of both after act_burst, of a connection in mode dsr or tunnel
  icmp,      // ICMP, or ICMPv6 with neighbour discovery; addresses of the key are set
  arp,
  suspect,  // dropped under `reason` if it is to us, the kernel's otherwise; what was readable of the key is set
  done,
  // Those that parse_burst does not hand on as they are; last, so that one comparison tells.
  fragment,  // of TCP or UDP; `fragment` says which part. The key has what it shows
  broken,    // dropped under `reason`: not even its IP header can be trusted
  tagged,    // 802.1Q or 802.1ad, and not of a VLAN of ours: the kernel's
  other,     // no IP: the kernel's
};

enum class FragmentPart : uint8_t {
  none,   // the packet is whole
  first,  // with the whole TCP or UDP header
  later,
};

struct PacketInfo {
  PacketKind kind = PacketKind::other;
  Family family = Family::ipv4;
  Proto proto = Proto::tcp;  // flow
  uint8_t tcp_flags = 0;     // TCP
  uint8_t icmp_type = 0;     // icmp
  DropReason reason{};       // suspect, broken
  PortIndex port{};          // where the packet came in, also when another worker took it there
  bool handed = false;       // another worker gave it to us
  bool followed = false;     // a fragment whose ports stand in the hand-over note
  FragmentPart fragment = FragmentPart::none;
  uint16_t l4_offset = 0;  // from the start of the frame
  uint16_t ip_bytes = 0;   // IP header and payload; what follows in the frame is padding
};

struct Burst {
  unsigned count = 0;
  bool has_fragments = false;  // packets of kind fragment
  rte_mbuf* mbufs[kBurstMax];
  PacketInfo info[kBurstMax];
  FlowKey4 key4[kBurstMax];  // family ipv4
  FlowKey6 key6[kBurstMax];  // family ipv6
  ConnRef conns[kBurstMax];  // flow, trailing
};

// A packet's tuple for the paths that treat both families alike; only packets without a connection go there.
struct Tuple {
  IpAddr src;
  IpAddr dst;
  Be16 src_port;
  Be16 dst_port;
  Proto proto{};
};
inline Tuple tuple_of(const FlowKey4& key) {
  return {IpAddr::from_ipv4(key.src), IpAddr::from_ipv4(key.dst), key.src_port, key.dst_port,
          static_cast<Proto>(key.proto)};
}
inline Tuple tuple_of(const FlowKey6& key) {
  return {IpAddr{key.src}, IpAddr{key.dst}, key.src_port, key.dst_port, static_cast<Proto>(key.proto)};
}
inline Tuple tuple_of(const Burst& burst, unsigned i) {
  return burst.info[i].family == Family::ipv4 ? tuple_of(burst.key4[i]) : tuple_of(burst.key6[i]);
}

}  // namespace millrace
