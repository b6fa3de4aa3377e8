// conn_table.h: from a packet's 5-tuple to its connection. One rte_hash for both families, both directions inserted.
// Keys:   16 bytes. An IPv4 tuple stands in it as it is; an IPv6 tuple as a keyed digest, and the caller compares the
//         tuple with the entry that it leads to (is_key_of). docs/decisions/0008 has the reasons.
// Thread: owning worker; nothing shared.
// Memory: per connection 2 keys: 2 x 32 B key slot and 2 x 12 to 24 B of buckets and free list, by what the next power
//         of two leaves.
// Bound:  find_burst takes at most kBurstMax keys.
// Holds:  a key leads to one connection. Hash and digest have secrets of this table's own, so that nobody outside can
//         choose tuples that collide. Without rte_hash's extension buckets: no chain that every packet has to walk.
// Fails:  insert returns false when the table has no room, or one of the keys is another connection's already (mode
//         nat: one client port through two VIPs to one backend); then nothing has changed.
// Tests:  tests/unit/conn/conn_table_test.cpp
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

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

// True when `key` is the one of `entry` in that direction. Always asked of IPv6 hits: their key in the table is a
// digest.
inline bool is_key_of(const FlowKey6& key, const ConnEntry& entry, Direction direction) {
  // The entry's pairs, destination first: the forward key's, then the reverse key's. Without a branch: directions change
  // from packet to packet.
  struct Addresses {
    std::array<uint8_t, 16> dst, src;
  } addresses;
  struct Ports {
    Be16 dst, src;
  } ports;
  static_assert(offsetof(ConnEntry, snat6) == offsetof(ConnEntry, vip6) + sizeof addresses &&
                offsetof(ConnEntry, snat_port) == offsetof(ConnEntry, vip_port) + sizeof ports);
  const auto* bytes = reinterpret_cast<const uint8_t*>(&entry);
  const auto place = static_cast<size_t>(direction);
  std::memcpy(&addresses, bytes + offsetof(ConnEntry, vip6) + place * sizeof addresses, sizeof addresses);
  std::memcpy(&ports, bytes + offsetof(ConnEntry, vip_port) + place * sizeof ports, sizeof ports);
  return entry.family == Family::ipv6 && IpAddr{key.src} == IpAddr{addresses.src} &&
         IpAddr{key.dst} == IpAddr{addresses.dst} && key.src_port == ports.src && key.dst_port == ports.dst &&
         key.proto == static_cast<uint32_t>(entry.proto);
}

// What rte_hash stores. An IPv4 key has the top bit clear (its protocol is a byte), a digest has it set.
struct TableKey {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const TableKey&) const = default;
};
static_assert(sizeof(TableKey) == sizeof(FlowKey4) && std::has_unique_object_representations_v<TableKey>);

__extension__ using Wide = unsigned __int128;
inline Wide wide_product(uint64_t a, uint64_t b) { return static_cast<Wide>(a) * b; }
inline uint64_t low_word(Wide wide) { return static_cast<uint64_t>(wide); }
inline uint64_t high_word(Wide wide) { return static_cast<uint64_t>(wide >> 64); }

class ConnTable {
 public:
  // `capacity` connections. `name_suffix` makes the rte_hash name unique (the worker's number).
  // Throws std::runtime_error with the memory it would have needed. socket: NUMA node of the worker.
  ConnTable(uint32_t capacity, unsigned name_suffix, int socket);

  TableKey table_key(const FlowKey4& key) const { return std::bit_cast<TableKey>(key); }
  // NH of UMAC (RFC 4418 section 5.2.2) with 64-bit words: two tuples collide with a probability of at most 2^-63 over
  // the secret, whoever chose them.
  TableKey table_key(const FlowKey6& key) const {
    const auto words = std::bit_cast<std::array<uint64_t, 5>>(key);
    const Wide sum = wide_product(words[0] + secret_[0], words[1] + secret_[1]) +
                     wide_product(words[2] + secret_[2], words[3] + secret_[3]) +
                     wide_product(words[4] + secret_[4], secret_[5]);
    return {low_word(sum), high_word(sum) | uint64_t{1} << 63};
  }

  // refs[i] is set for every i < count. A hit on an IPv6 key is one only if is_key_of says so.
  void find_burst(const TableKey keys[], unsigned count, ConnRef refs[]) const;
  ConnRef find(const TableKey& key) const;
  ConnRef find4(const FlowKey4& key) const { return find(table_key(key)); }
  ConnRef find6(const FlowKey6& key) const { return find(table_key(key)); }

  // Both directions of `entry` (family, addresses, ports and proto are set) lead to `index` from now on.
  bool insert(const ConnEntry& entry, ConnIndex index);
  // The same for who has just looked both keys up and found neither: saves two searches. Were one of them in, the other
  // connection would lose its packets to this one.
  bool insert_absent(const ConnEntry& entry, ConnIndex index);
  // Only for an entry that insert() took, with the same addresses and ports.
  void erase(const ConnEntry& entry);

  // One direction of a proxied connection, whose two halves come and go by themselves; otherwise as insert_absent and
  // erase.
  bool insert_absent(const ConnEntry& entry, ConnIndex index, Direction direction);
  void erase(const ConnEntry& entry, Direction direction);

 private:
  struct BothKeys {
    TableKey forward;
    TableKey reverse;
  };
  BothKeys keys_of(const ConnEntry& entry) const;
  TableKey key_of(const ConnEntry& entry, Direction direction) const;
  uint32_t signature(const TableKey& key) const;

  struct FreeHash {
    void operator()(rte_hash* hash) const;
  };
  std::unique_ptr<rte_hash, FreeHash> hash_;
  std::array<uint64_t, 8> secret_;
};

}  // namespace millrace
