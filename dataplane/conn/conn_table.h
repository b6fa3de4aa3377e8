// conn_table.h: from a packet's 5-tuple to its connection. rte_hash, one table a family, both directions inserted.
// Thread: owning worker; nothing shared.
// Memory: per connection 2 keys: 2 x (32 B key slot + about 11 B bucket share) for IPv4, 2 x (48 B + 11 B) for IPv6.
// Bound:  find_burst takes at most kBurstMax keys.
// Holds:  a key leads to one connection. Without rte_hash's extension buckets: a flood of keys that were made to
//         collide fails to insert instead of growing chains that every packet would have to walk.
// Fails:  insert returns false when the table has no room, or one of the keys is another connection's already (mode
//         nat: one client port through two VIPs to one backend); then nothing has changed.
// Tests:  tests/unit/conn/conn_table_test.cpp
#pragma once

#include <cstdint>
#include <memory>

#include "millrace/conn_entry.h"
#include "millrace/ids.h"
#include "millrace/tuple.h"

struct rte_hash;

namespace millrace {

enum class Direction : uint8_t { forward = 0, reverse = 1 };  // forward: client to backend

struct ConnRef {
  ConnIndex index = kNoConn;
  Direction direction = Direction::forward;
  bool found() const { return index != kNoConn; }
};

// Both keys of a connection, made from its entry: the forward packet as the client sends it, the reverse packet
// as the backend sends it.
FlowKey4 forward_key4(const ConnEntry& entry);
FlowKey4 reverse_key4(const ConnEntry& entry);
FlowKey6 forward_key6(const ConnEntry& entry);
FlowKey6 reverse_key6(const ConnEntry& entry);

class ConnTable {
 public:
  // `capacity` connections of either family. `name_suffix` makes the rte_hash names unique (the worker's number).
  // Throws std::runtime_error with the memory it would have needed. socket: NUMA node of the worker.
  ConnTable(uint32_t capacity, unsigned name_suffix, int socket);

  // refs[i] is set for every i < count.
  void find_burst4(const FlowKey4* const keys[], unsigned count, ConnRef refs[]) const;
  void find_burst6(const FlowKey6* const keys[], unsigned count, ConnRef refs[]) const;
  ConnRef find4(const FlowKey4& key) const;
  ConnRef find6(const FlowKey6& key) const;

  // Both directions of `entry` (family, addresses, ports and proto are set) lead to `index` from now on.
  bool insert(const ConnEntry& entry, ConnIndex index);
  // Only for an entry that insert() took, with the same addresses and ports.
  void erase(const ConnEntry& entry);

 private:
  struct FreeHash {
    void operator()(rte_hash* hash) const;
  };
  std::unique_ptr<rte_hash, FreeHash> ipv4_;
  std::unique_ptr<rte_hash, FreeHash> ipv6_;
};

}  // namespace millrace
