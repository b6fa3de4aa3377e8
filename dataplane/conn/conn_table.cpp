#include "dataplane/conn/conn_table.h"

#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include <bit>
#include <stdexcept>
#include <string>

#include "millrace/limits.h"

namespace millrace {

static_assert(kBurstMax <= RTE_HASH_LOOKUP_BULK_MAX);

namespace {

constexpr uint32_t kBucketBytes = 64;  // of 8 keys
constexpr uint32_t kBucketKeys = 8;
constexpr uint32_t kKeyHeaderBytes = 8;  // the value, stored before the key
constexpr uint32_t kKeyAlignBytes = 16;

// Two keys a connection and an eighth of head room. rte_hash has buckets for the next power of two, so that they are
// never fuller than 8/9; its two-choice buckets begin to refuse keys above some 95%.
uint32_t key_count_max(uint32_t capacity) { return 2 * capacity + capacity / 4 + kBucketKeys; }

uint64_t table_bytes(uint32_t capacity, uint32_t key_bytes) {
  const uint64_t keys = key_count_max(capacity);
  const uint64_t slot_bytes = (kKeyHeaderBytes + key_bytes + kKeyAlignBytes - 1) / kKeyAlignBytes * kKeyAlignBytes;
  return keys * slot_bytes + std::bit_ceil(keys) / kBucketKeys * kBucketBytes + std::bit_ceil(keys) * sizeof(uint32_t);
}

rte_hash* create_hash(const char* family, uint32_t capacity, uint32_t key_bytes, unsigned name_suffix, int socket) {
  const std::string name = std::string("conn_") + family + "_" + std::to_string(name_suffix);
  rte_hash_parameters parameters{};
  parameters.name = name.c_str();
  parameters.entries = key_count_max(capacity);
  parameters.key_len = key_bytes;
  parameters.hash_func = rte_hash_crc;
  parameters.socket_id = socket;
  rte_hash* hash = rte_hash_create(&parameters);
  if (hash != nullptr) return hash;
  throw std::runtime_error("cannot make connection table " + name + ": " + std::to_string(capacity) +
                           " connections need " + std::to_string((table_bytes(capacity, key_bytes) >> 20) + 1) +
                           " MiB of hugepages on NUMA node " + std::to_string(socket) + " (" + rte_strerror(rte_errno) +
                           "); reserve more or lower [dataplane] connections");
}

// What a key leads to: index << 1 | direction, in the pointer that rte_hash stores.
void* value_of(ConnIndex index, Direction direction) {
  return reinterpret_cast<void*>(uintptr_t{raw(index)} << 1 | static_cast<uintptr_t>(direction));
}
ConnRef ref_of(const void* value) {
  const uintptr_t word = reinterpret_cast<uintptr_t>(value);
  return ConnRef{static_cast<ConnIndex>(word >> 1), static_cast<Direction>(word & 1)};
}

template <typename Key>
void find_burst(const rte_hash* hash, const Key* const keys[], unsigned count, ConnRef refs[]) {
  if (count == 0) return;
  uint64_t hits = 0;
  void* values[kBurstMax];
  rte_hash_lookup_bulk_data(hash, reinterpret_cast<const void**>(const_cast<const Key**>(keys)), count, &hits, values);
  for (unsigned i = 0; i < count; ++i) refs[i] = (hits >> i & 1) != 0 ? ref_of(values[i]) : ConnRef{};
}

template <typename Key>
ConnRef find(const rte_hash* hash, const Key& key) {
  void* value = nullptr;
  return rte_hash_lookup_data(hash, &key, &value) < 0 ? ConnRef{} : ref_of(value);
}

template <typename Key>
bool insert_both(const rte_hash* hash, const Key& forward, const Key& reverse, ConnIndex index) {
  const hash_sig_t forward_sig = rte_hash_hash(hash, &forward);
  const hash_sig_t reverse_sig = rte_hash_hash(hash, &reverse);
  // rte_hash would overwrite: the other connection would lose its packets to this one.
  if (forward == reverse || rte_hash_lookup_with_hash(hash, &forward, forward_sig) >= 0 ||
      rte_hash_lookup_with_hash(hash, &reverse, reverse_sig) >= 0)
    return false;
  if (rte_hash_add_key_with_hash_data(hash, &forward, forward_sig, value_of(index, Direction::forward)) != 0)
    return false;
  if (rte_hash_add_key_with_hash_data(hash, &reverse, reverse_sig, value_of(index, Direction::reverse)) == 0)
    return true;
  rte_hash_del_key_with_hash(hash, &forward, forward_sig);
  return false;
}

}  // namespace

FlowKey4 forward_key4(const ConnEntry& entry) {
  return {entry.client4, entry.vip4, entry.client_port, entry.vip_port, static_cast<uint32_t>(entry.proto)};
}
FlowKey4 reverse_key4(const ConnEntry& entry) {
  return {entry.backend4, entry.snat4, entry.backend_port, entry.snat_port, static_cast<uint32_t>(entry.proto)};
}
FlowKey6 forward_key6(const ConnEntry& entry) {
  return {entry.client6, entry.vip6, entry.client_port, entry.vip_port, static_cast<uint32_t>(entry.proto)};
}
FlowKey6 reverse_key6(const ConnEntry& entry) {
  return {entry.backend6, entry.snat6, entry.backend_port, entry.snat_port, static_cast<uint32_t>(entry.proto)};
}

ConnTable::ConnTable(uint32_t capacity, unsigned name_suffix, int socket)
    : ipv4_(create_hash("ipv4", capacity, sizeof(FlowKey4), name_suffix, socket)),
      ipv6_(create_hash("ipv6", capacity, sizeof(FlowKey6), name_suffix, socket)) {}

void ConnTable::FreeHash::operator()(rte_hash* hash) const { rte_hash_free(hash); }

void ConnTable::find_burst4(const FlowKey4* const keys[], unsigned count, ConnRef refs[]) const {
  find_burst(ipv4_.get(), keys, count, refs);
}
void ConnTable::find_burst6(const FlowKey6* const keys[], unsigned count, ConnRef refs[]) const {
  find_burst(ipv6_.get(), keys, count, refs);
}
ConnRef ConnTable::find4(const FlowKey4& key) const { return find(ipv4_.get(), key); }
ConnRef ConnTable::find6(const FlowKey6& key) const { return find(ipv6_.get(), key); }

bool ConnTable::insert(const ConnEntry& entry, ConnIndex index) {
  if (entry.family == Family::ipv4) return insert_both(ipv4_.get(), forward_key4(entry), reverse_key4(entry), index);
  return insert_both(ipv6_.get(), forward_key6(entry), reverse_key6(entry), index);
}

void ConnTable::erase(const ConnEntry& entry) {
  if (entry.family == Family::ipv4) {
    const FlowKey4 forward = forward_key4(entry), reverse = reverse_key4(entry);
    rte_hash_del_key(ipv4_.get(), &forward);
    rte_hash_del_key(ipv4_.get(), &reverse);
  } else {
    const FlowKey6 forward = forward_key6(entry), reverse = reverse_key6(entry);
    rte_hash_del_key(ipv6_.get(), &forward);
    rte_hash_del_key(ipv6_.get(), &reverse);
  }
}

}  // namespace millrace
