#include "dataplane/conn/conn_table.h"

#include <rte_errno.h>
#include <rte_hash.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <stdexcept>
#include <string>

#include "millrace/limits.h"

namespace millrace {

static_assert(kBurstMax <= RTE_HASH_LOOKUP_BULK_MAX);

namespace {

constexpr uint32_t kBucketBytes = 64;  // of 8 keys
constexpr uint32_t kBucketKeys = 8;
constexpr uint32_t kSlotBytes = 32;  // the value, the key, 8 bytes of alignment

// rte_hash has buckets for the next power of two of keys, and its two-choice buckets begin to refuse above some 95%.
// Where two keys a connection would fill them beyond 8/9, the next power is asked for.
uint32_t key_count_max(uint32_t capacity) {
  const uint32_t keys = std::max(2 * capacity, kBucketKeys);
  const uint32_t places = std::bit_ceil(keys);
  return uint64_t{keys} * 9 > uint64_t{places} * 8 ? places + 1 : keys;
}

uint64_t table_bytes(uint32_t capacity) {
  const uint64_t keys = key_count_max(capacity);
  return keys * kSlotBytes + std::bit_ceil(keys) / kBucketKeys * kBucketBytes + std::bit_ceil(keys) * sizeof(uint32_t);
}

// Never called: all hashes are computed here, inline, and given to rte_hash.
uint32_t no_hash(const void*, uint32_t, uint32_t) { return 0; }

rte_hash* create_hash(uint32_t capacity, unsigned name_suffix, int socket) {
  const std::string name = "connections_" + std::to_string(name_suffix);
  rte_hash_parameters parameters{};
  parameters.name = name.c_str();
  parameters.entries = key_count_max(capacity);
  parameters.key_len = sizeof(TableKey);
  parameters.hash_func = no_hash;
  parameters.socket_id = socket;
  rte_hash* hash = rte_hash_create(&parameters);
  if (hash != nullptr) return hash;
  const std::string node = socket < 0 ? "" : " on NUMA node " + std::to_string(socket);
  throw std::runtime_error("cannot make connection table " + name + ": " + std::to_string(capacity) +
                           " connections need " + std::to_string((table_bytes(capacity) >> 20) + 1) +
                           " MiB of hugepages" + node + " (" + rte_strerror(rte_errno) +
                           "); reserve more or lower [dataplane] connections");
}

std::array<uint64_t, 8> create_secret() {
  std::array<uint64_t, 8> secret;
  if (getentropy(secret.data(), sizeof secret) != 0) throw std::runtime_error("the kernel gives no random numbers");
  return secret;
}

// What a key leads to: index << 1 | direction, in the pointer that rte_hash stores.
void* value_of(ConnIndex index, Direction direction) {
  return reinterpret_cast<void*>(uintptr_t{raw(index)} << 1 | static_cast<uintptr_t>(direction));
}
ConnRef ref_of(const void* value) {
  const uintptr_t word = reinterpret_cast<uintptr_t>(value);
  return ConnRef{static_cast<ConnIndex>(word >> 1), static_cast<Direction>(word & 1)};
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
    : hash_(create_hash(capacity, name_suffix, socket)), secret_(create_secret()) {}

void ConnTable::FreeHash::operator()(rte_hash* hash) const { rte_hash_free(hash); }

// rte_hash takes the bucket from the lower bits and the tag from the upper half: every bit must depend on all of the
// key.
[[gnu::always_inline]] inline uint32_t ConnTable::signature(const TableKey& key) const {
  const Wide mixed = wide_product(key.low ^ secret_[6], key.high ^ secret_[7]);
  const uint64_t folded = low_word(mixed) ^ high_word(mixed);
  return static_cast<uint32_t>(folded ^ folded >> 32);
}

void ConnTable::find_burst(const TableKey keys[], unsigned count, ConnRef refs[]) const {
  if (count == 0) return;
  const void* pointers[kBurstMax];
  uint32_t signatures[kBurstMax];
  void* values[kBurstMax];
  for (unsigned i = 0; i < count; ++i) {
    pointers[i] = &keys[i];
    signatures[i] = signature(keys[i]);
  }
  uint64_t hits = 0;
  rte_hash_lookup_with_hash_bulk_data(hash_.get(), pointers, signatures, count, &hits, values);
  for (unsigned i = 0; i < count; ++i) refs[i] = (hits >> i & 1) != 0 ? ref_of(values[i]) : ConnRef{};
}

ConnRef ConnTable::find(const TableKey& key) const {
  void* value = nullptr;
  return rte_hash_lookup_with_hash_data(hash_.get(), &key, signature(key), &value) < 0 ? ConnRef{} : ref_of(value);
}

ConnTable::BothKeys ConnTable::keys_of(const ConnEntry& entry) const {
  return {key_of(entry, Direction::forward), key_of(entry, Direction::reverse)};
}

TableKey ConnTable::key_of(const ConnEntry& entry, Direction direction) const {
  const bool forward = direction == Direction::forward;
  if (entry.family == Family::ipv4) return table_key(forward ? forward_key4(entry) : reverse_key4(entry));
  return table_key(forward ? forward_key6(entry) : reverse_key6(entry));
}

bool ConnTable::insert(const ConnEntry& entry, ConnIndex index) {
  const auto [forward, reverse] = keys_of(entry);
  return !find(forward).found() && !find(reverse).found() && insert_absent(entry, index);
}

bool ConnTable::insert_absent(const ConnEntry& entry, ConnIndex index) {
  const rte_hash* hash = hash_.get();
  const auto [forward, reverse] = keys_of(entry);
  assert(!find(forward).found() && !find(reverse).found());
  if (forward.low == reverse.low && forward.high == reverse.high) return false;
  const uint32_t forward_sig = signature(forward);
  if (rte_hash_add_key_with_hash_data(hash, &forward, forward_sig, value_of(index, Direction::forward)) != 0)
    return false;
  if (rte_hash_add_key_with_hash_data(hash, &reverse, signature(reverse), value_of(index, Direction::reverse)) == 0)
    return true;
  rte_hash_del_key_with_hash(hash, &forward, forward_sig);
  return false;
}

bool ConnTable::insert_absent(const ConnEntry& entry, ConnIndex index, Direction direction) {
  const TableKey key = key_of(entry, direction);
  assert(!find(key).found());
  return rte_hash_add_key_with_hash_data(hash_.get(), &key, signature(key), value_of(index, direction)) == 0;
}

void ConnTable::erase(const ConnEntry& entry, Direction direction) {
  const TableKey key = key_of(entry, direction);
  rte_hash_del_key_with_hash(hash_.get(), &key, signature(key));
}

void ConnTable::erase(const ConnEntry& entry) {
  const auto [forward, reverse] = keys_of(entry);
  rte_hash_del_key_with_hash(hash_.get(), &forward, signature(forward));
  rte_hash_del_key_with_hash(hash_.get(), &reverse, signature(reverse));
}

}  // namespace millrace
