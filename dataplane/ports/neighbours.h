// neighbours.h: next-hop MAC addresses. Workers read one 64-bit word per packet; the main lcore alone writes.
// Thread: find() and read() any worker; the rest main lcore only.
// Memory: fixed at start, kNeighbourMax x (8 B + an rte_hash entry of 24-byte key).
// Fails:  a full table leaves the neighbour unknown; packets to it end as neighbour_timeout.
// Tests:  tests/unit/ports/neighbours_test.cpp
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "dataplane/ports/port.h"
#include "millrace/addr.h"

struct rte_hash;

namespace millrace {

inline constexpr uint16_t kNeighbourMax = 32768;  // 15 bits leave room for kNoNeighbour.

// What a worker needs to put a frame on the wire, in one word, so that it is always whole: the MAC as it lies in
// memory, the port, and whether the MAC is known.
struct NextHop {
  static constexpr uint64_t kMacMask = (uint64_t{1} << 48) - 1;
  static constexpr unsigned kPortShift = 48;
  static constexpr uint64_t kResolved = uint64_t{1} << 52;

  uint64_t word = 0;

  bool resolved() const { return (word & kResolved) != 0; }
  PortIndex port() const { return static_cast<PortIndex>(word >> kPortShift & 0xf); }
  uint64_t mac_word() const { return word & kMacMask; }
  MacAddr mac() const {
    MacAddr mac;
    std::memcpy(mac.bytes.data(), &word, mac.bytes.size());
    return mac;
  }
};

class NeighbourTable {
 public:
  NeighbourTable();  // throws std::runtime_error when rte_hash cannot be made; needs the EAL
  ~NeighbourTable();
  NeighbourTable(const NeighbourTable&) = delete;
  NeighbourTable& operator=(const NeighbourTable&) = delete;

  // Index of a known neighbour, resolved or not; kNoNeighbour otherwise. Lock-free.
  uint16_t find(PortIndex port, const IpAddr& addr) const;

  // One relaxed load; the word is whole in itself. `index` must come from find().
  NextHop read(uint16_t index) const { return {words_[index].load(std::memory_order_relaxed)}; }

  // Makes an unresolved entry or returns the present one; kNoNeighbour when full. Entries are never removed: an
  // index stays good for every connection that holds it.
  uint16_t add(PortIndex port, const IpAddr& addr);
  void set_resolved(uint16_t index, const MacAddr& mac);
  void set_unresolved(uint16_t index);

  // For walking: entries are 0 .. count() - 1.
  uint16_t count() const { return count_; }
  struct Entry {
    PortIndex port{};
    IpAddr addr;
  };
  const Entry& entry(uint16_t index) const { return entries_[index]; }

 private:
  std::unique_ptr<std::atomic<uint64_t>[]> words_;
  std::unique_ptr<Entry[]> entries_;
  rte_hash* index_ = nullptr;
  uint16_t count_ = 0;
};

}  // namespace millrace
