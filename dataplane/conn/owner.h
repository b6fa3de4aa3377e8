// owner.h: which worker owns a packet. A pure function of the packet and of settings that never change while workers
// run; every worker computes the same answer.
// fullnat: Toeplitz over the 5-tuple as on the wire (what a NIC with our key computes for RSS, Microsoft RSS
//   specification), looked up in the RETA; SNAT ports are chosen so that replies hash to the owner (snat_ports.h).
// nat: the reply's tuple cannot be chosen, so the owner hangs on client address and port alone, which both
//   directions show: Toeplitz over (client address, client port, zeros).
// Thread: any worker.      Tests: tests/unit/conn/owner_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/conn/toeplitz.h"
#include "millrace/addr.h"
#include "millrace/ids.h"

namespace millrace {

inline constexpr unsigned kRetaSize = 128;
// Given to every NIC that takes a key. Found by search for this, which owner_test proves for both families: any
// aligned 128 addresses, source ports (also if only even or only odd ones, as Linux clients use) or destination
// ports fill all 128 RETA entries, and any aligned 2^k destination ports all values of the lowest k hash bits.
extern const std::array<uint8_t, kRssKeyBytes> kRssKey;

class Owner {
 public:
  // `reta` (may be empty: 0, 1 … n-1 repeated) is filled up by repetition. Throws std::invalid_argument unless
  // worker_count is 1 .. kWorkerMax, every entry is below it, and there are at most kRetaSize of them.
  Owner(unsigned worker_count, std::span<const uint8_t> reta);

  // Hash of a packet from (src, src_port) to (dst, dst_port), ports included, both of one family.
  static uint32_t rss_hash(const IpAddr& src, Be16 src_port, const IpAddr& dst, Be16 dst_port);
  // Toeplitz is linear over XOR: rss_hash(.., dst_port) == rss_hash(.., 0) ^ dst_port_part(family, dst_port).
  static uint32_t dst_port_part(Family family, Be16 dst_port);

  WorkerIndex of_hash(uint32_t hash) const { return static_cast<WorkerIndex>(reta_[hash % kRetaSize]); }
  WorkerIndex of_fullnat(const IpAddr& src, Be16 src_port, const IpAddr& dst, Be16 dst_port) const {
    return of_hash(rss_hash(src, src_port, dst, dst_port));
  }
  WorkerIndex of_nat_client(const IpAddr& client, Be16 client_port) const {
    return of_hash(rss_hash(client, client_port, client.is_ipv4() ? IpAddr::from_ipv4(Be32{}) : IpAddr{}, Be16{}));
  }
  // Who puts the fragments of a packet together, of which only the first shows ports (stages/fragments.h).
  WorkerIndex of_datagram(const IpAddr& src, const IpAddr& dst, uint32_t id) const {
    return of_fullnat(src, Be16::from_host(static_cast<uint16_t>(id >> 16)), dst,
                      Be16::from_host(static_cast<uint16_t>(id)));
  }
  unsigned worker_count() const { return worker_count_; }

  // A NIC whose table has fewer entries looks up fewer bits of the hash: the first `size` entries, a power of two, are
  // repeated in place of the others. Before the workers run.
  void limit_reta(unsigned size);

 private:
  unsigned worker_count_;
  std::array<uint8_t, kRetaSize> reta_{};
};

}  // namespace millrace
