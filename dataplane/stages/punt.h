// punt.h: how fast packets may go to the kernel by a port's TAP. Each is a system call of the worker, and a flood of one kind
// would fill the kernel's one queue before those that keep the host alive. So each kind has a rate of its own.
// Route:  divert_packet > punt_class > PuntGate::take > transmit_to (the TAP)
// Thread: owning worker.
// Holds:  over t seconds at most rate x (t + kPuntBurstMs) of a kind pass; kSessionShare times that of `session`.
// Fails:  by a drop, punt_rate.
// Tests:  tests/unit/stages/punt_test.cpp
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/pick/token_bucket.h"

namespace millrace {

enum class PuntClass : uint8_t {
  link,     // ARP, neighbour discovery, multicast listeners, whatever is not IP
  routing,  // BGP, BFD, OSPF, PIM, VRRP, IGMP
  session,  // TCP but for openings: ssh, answers to the host's own connections and health checks
  opening,  // TCP SYN
  icmp,
  other,  // UDP, other protocols, fragments, what is malformed
};
inline constexpr size_t kPuntClassCount = 6;

// Of a frame as it came in, from its Ethernet header on.
PuntClass punt_class(std::span<const uint8_t> frame);

inline constexpr uint32_t kPuntBurstMs = 4;  // of the rate at once: fewer packets than the kernel's queue holds
inline constexpr uint32_t kSessionShare = 4;

class PuntGate {
 public:
  // Packets a second of each kind; 0: no limit.
  explicit PuntGate(uint32_t rate) : rate_(rate) {}

  // False: the packet must not go. `now_ms` never goes back.
  bool take(PuntClass kind, uint64_t now_ms);

 private:
  uint32_t rate_;
  std::array<TokenBucket, kPuntClassCount> buckets_{};
};

}  // namespace millrace
