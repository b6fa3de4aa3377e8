// neighbours.cpp: see the header.
#include "dataplane/ports/neighbours.h"

#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include <stdexcept>
#include <string>
#include <type_traits>

#include "millrace/conn_entry.h"

namespace millrace {

namespace {

struct Key {
  IpAddr addr;
  uint64_t port = 0;  // PortIndex, widened so that the key has no padding
};
static_assert(sizeof(Key) == 24 && std::has_unique_object_representations_v<Key>);
static_assert(kNeighbourMax <= kNoNeighbour);

Key make_key(PortIndex port, const IpAddr& addr) { return {addr, static_cast<uint64_t>(port)}; }

uint64_t port_bits(PortIndex port) { return static_cast<uint64_t>(port) << NextHop::kPortShift; }

}  // namespace

NeighbourTable::NeighbourTable()
    : words_(std::make_unique<std::atomic<uint64_t>[]>(kNeighbourMax)),
      entries_(std::make_unique<Entry[]>(kNeighbourMax)) {
  static std::atomic<unsigned> made{0};  // rte_hash names are global
  const std::string name = "neighbours" + std::to_string(made.fetch_add(1, std::memory_order_relaxed));
  rte_hash_parameters parameters{};
  parameters.name = name.c_str();
  parameters.entries = kNeighbourMax;
  parameters.key_len = sizeof(Key);
  parameters.hash_func = rte_hash_crc;
  parameters.socket_id = SOCKET_ID_ANY;
  // One writer beside lock-free readers; chained buckets, so that the table takes all its entries.
  parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE;
  index_ = rte_hash_create(&parameters);
  if (index_ == nullptr)
    throw std::runtime_error(std::string("cannot make the neighbour table: ") + rte_strerror(rte_errno) +
                             "; reserve more hugepages (`sysctl vm.nr_hugepages=N`)");
}

NeighbourTable::~NeighbourTable() { rte_hash_free(index_); }

uint16_t NeighbourTable::find(PortIndex port, const IpAddr& addr) const {
  const Key key = make_key(port, addr);
  void* data = nullptr;
  if (rte_hash_lookup_data(index_, &key, &data) < 0) return kNoNeighbour;
  return static_cast<uint16_t>(reinterpret_cast<uintptr_t>(data));
}

uint16_t NeighbourTable::add(PortIndex port, const IpAddr& addr) {
  const uint16_t present = find(port, addr);
  if (present != kNoNeighbour || count_ == kNeighbourMax) return present;
  const uint16_t index = count_;
  entries_[index] = {port, addr};
  // Before the key: rte_hash publishes the key with a release that find() acquires, so a reader sees this word.
  words_[index].store(port_bits(port), std::memory_order_relaxed);
  const Key key = make_key(port, addr);
  if (rte_hash_add_key_data(index_, &key, reinterpret_cast<void*>(static_cast<uintptr_t>(index))) != 0)
    return kNoNeighbour;
  ++count_;
  return index;
}

void NeighbourTable::set_resolved(uint16_t index, const MacAddr& mac) {
  uint64_t word = 0;
  std::memcpy(&word, mac.bytes.data(), mac.bytes.size());
  word |= port_bits(entries_[index].port) | NextHop::kResolved;
  words_[index].store(word, std::memory_order_relaxed);
}

void NeighbourTable::set_unresolved(uint16_t index) {
  // The MAC stays readable: a packet already on its way out may still use it.
  const uint64_t word = words_[index].load(std::memory_order_relaxed);
  words_[index].store((word & NextHop::kMacMask) | port_bits(entries_[index].port), std::memory_order_relaxed);
}

}  // namespace millrace
