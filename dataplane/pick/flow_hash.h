// flow_hash.h: the one hash of addresses and ports behind the VIP table and Maglev.
// Holds:  the same on every host, run and build of x86-64: Maglev tables and a flow's place in them must agree across
//         the machines of one VIP. Never change a constant: it would move every flow of a mixed-version fleet.
// Thread: any; pure.
#pragma once

#include <cstdint>
#include <cstring>

#include "millrace/addr.h"

namespace millrace {

// Finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): every input bit
// flips about half of the output bits.
constexpr uint64_t mix_bits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// `seed` makes independent hashes of one endpoint.
inline uint64_t hash_endpoint(const IpAddr& addr, Be16 port, uint64_t seed) {
  uint64_t halves[2];
  std::memcpy(halves, addr.bytes.data(), sizeof halves);
  uint64_t hash = mix_bits(halves[0] + seed);
  hash = mix_bits(hash ^ halves[1]);
  return mix_bits(hash + port.host());
}

// Who takes which seed: 1 and 2 Maglev's permutations, 3 a flow's place in the table (flow_hash), 4 the outer header of
// its tunnel, 5 a source's place among the buckets of rate_limiter.h.
inline constexpr uint64_t kTunnelSeed = 4;
inline constexpr uint64_t kSourceSeed = 5;

}  // namespace millrace
