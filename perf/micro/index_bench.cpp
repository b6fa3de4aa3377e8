// index_bench.cpp: what another index than rte_hash would cost: from a burst of tuples to their entries, proven.
// index_rte_hash is the connection table as it is: buckets, key slots with the whole tuple, then the entry.
// index_tags is the alternative: buckets of 16-bit tags and entry numbers in one cache line, and the tuple is compared
// with the entry, which the packet needs anyway: two lines instead of four. docs/decisions/0009 says what follows.

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <vector>

#include "dataplane/conn/conn_table.h"
#include "millrace/limits.h"
#include "perf/micro/benches.h"
#include "perf/micro/hugepages.h"
#include "perf/micro/measure.h"
#include "perf/micro/results.h"
#include "perf/micro/sample_entry.h"

namespace millrace::perf {
namespace {

constexpr unsigned kTableSuffix = 202;  // apart from any worker's

struct FreeRte {
  void operator()(void* memory) const { rte_free(memory); }
};
template <typename T>
std::unique_ptr<T[], FreeRte> in_hugepages(size_t count) {
  void* memory = rte_zmalloc("index_bench", count * sizeof(T), RTE_CACHE_LINE_SIZE);
  if (memory == nullptr) throw std::runtime_error("no hugepages free");
  return std::unique_ptr<T[], FreeRte>(new (memory) T[count]);
}

// About a quarter full, so that nearly all keys are in their first bucket; still smaller than rte_hash.
class TagIndex {
 public:
  explicit TagIndex(uint32_t connections)
      : mask_(std::bit_ceil(4 * connections + connections / 2) / kPlaces - 1),
        buckets_(in_hugepages<Bucket>(mask_ + 1)) {}

  void insert(const FlowKey4& key, uint32_t ref) {
    const uint64_t hash = hash_of(key);
    size_t at = first(hash);
    while (buckets_[at].used == kPlaces) at = (at + 1) & mask_;
    Bucket& bucket = buckets_[at];
    bucket.tags[bucket.used] = tag(hash);
    bucket.refs[bucket.used++] = ref;
  }

  // Refs of those whose entry has the tuple, by `is_right(i, ref)`; prefetch(ref) comes before it.
  template <typename Prefetch, typename IsRight>
  unsigned find_burst(const FlowKey4 keys[], unsigned count, Prefetch prefetch, IsRight is_right) const {
    uint64_t hashes[kBurstMax];
    uint32_t candidates[kBurstMax];
    for (unsigned i = 0; i < count; ++i) {
      hashes[i] = hash_of(keys[i]);
      rte_prefetch0(&buckets_[first(hashes[i])]);
    }
    for (unsigned i = 0; i < count; ++i) {
      candidates[i] = candidate(buckets_[first(hashes[i])], tag(hashes[i]));
      if (candidates[i] != kNone) prefetch(candidates[i]);
    }
    unsigned found = 0;
    for (unsigned i = 0; i < count; ++i)
      found += (candidates[i] != kNone && is_right(i, candidates[i])) || find_slowly(hashes[i], i, is_right);
    return found;
  }

 private:
  static constexpr unsigned kPlaces = 8;
  static constexpr uint32_t kNone = 0xffff'ffff;
  struct alignas(64) Bucket {
    uint16_t tags[kPlaces];
    uint32_t refs[kPlaces];
    uint32_t used;
  };

  static uint64_t hash_of(const FlowKey4& key) {
    const auto words = std::bit_cast<TableKey>(key);
    const Wide mixed = wide_product(words.low ^ 0x9e3779b97f4a7c15, words.high ^ 0xbf58476d1ce4e5b9);
    const uint64_t folded = low_word(mixed) ^ high_word(mixed);
    return folded ^ folded >> 32;
  }
  static uint16_t tag(uint64_t hash) { return static_cast<uint16_t>(hash >> 48); }
  size_t first(uint64_t hash) const { return hash & mask_; }

  static uint32_t candidate(const Bucket& bucket, uint16_t tag) {
    for (unsigned i = 0; i < kPlaces; ++i)
      if (bucket.tags[i] == tag && i < bucket.used) return bucket.refs[i];
    return kNone;
  }
  template <typename IsRight>
  bool find_slowly(uint64_t hash, unsigned place, IsRight is_right) const {
    for (size_t at = first(hash);; at = (at + 1) & mask_) {
      const Bucket& bucket = buckets_[at];
      for (unsigned i = 0; i < bucket.used; ++i)
        if (bucket.tags[i] == tag(hash) && is_right(place, bucket.refs[i])) return true;
      if (bucket.used < kPlaces) return false;
    }
  }

  size_t mask_;
  std::unique_ptr<Bucket[], FreeRte> buckets_;
};

struct Connections {
  explicit Connections(uint32_t count) : entries(in_hugepages<ConnEntry>(count)) {
    for (uint32_t i = 0; i < count; ++i) {
      ConnEntry& entry = entries[i];
      fill_entry(entry, Family::ipv4, i);
      keys.push_back(forward_key4(entry));
      keys.push_back(reverse_key4(entry));
    }
    std::shuffle(keys.begin(), keys.end(), std::mt19937(1));
  }
  std::unique_ptr<ConnEntry[], FreeRte> entries;
  std::vector<FlowKey4> keys;
};

// `find(keys)` finds a burst and returns how many it found.
template <typename Find>
Report run_bursts(const std::vector<FlowKey4>& keys, Find find) {
  Report report;
  size_t next = 0;
  const auto slice = [&] {
    uint64_t found = 0;
    for (unsigned turn = 0; turn < kTurnsPerSlice; ++turn) {
      if (next + kBurstMax > keys.size()) next = 0;
      found += find(&keys[next]);
      next += kBurstMax;
    }
    if (found != uint64_t{kTurnsPerSlice} * kBurstMax) throw std::runtime_error("a connection was not found");
    return found;
  };
  slice();
  for (unsigned repetition = 0; repetition < repetitions(); ++repetition) {
    double seconds = 0;
    uint64_t found = 0;
    while (seconds < seconds_per_repetition()) seconds += seconds_of([&] { found += slice(); });
    report.samples.push_back({.ns = seconds * 1e9 / static_cast<double>(found)});
  }
  return report;
}

Report run_rte_hash(uint32_t flows) {
  need_hugepages(flows);
  const Connections connections(flows);
  ConnTable table(flows, kTableSuffix, SOCKET_ID_ANY);
  for (uint32_t i = 0; i < flows; ++i)
    if (!table.insert(connections.entries[i], ConnIndex{i})) throw std::runtime_error("no room");
  return run_bursts(connections.keys, [&](const FlowKey4* keys) {
    TableKey table_keys[kBurstMax];
    ConnRef refs[kBurstMax];
    for (unsigned i = 0; i < kBurstMax; ++i) table_keys[i] = table.table_key(keys[i]);
    table.find_burst(table_keys, kBurstMax, refs);
    for (const ConnRef& ref : refs) rte_prefetch0(&connections.entries[raw(ref.index)]);
    unsigned found = 0;
    for (const ConnRef& ref : refs) found += connections.entries[raw(ref.index)].proto == Proto::udp;
    return found;
  });
}

Report run_tags(uint32_t flows) {
  need_hugepages(flows);
  const Connections connections(flows);
  TagIndex index(flows);
  for (uint32_t i = 0; i < flows; ++i) {
    index.insert(forward_key4(connections.entries[i]), 2 * i);
    index.insert(reverse_key4(connections.entries[i]), 2 * i + 1);
  }
  return run_bursts(connections.keys, [&](const FlowKey4* keys) {
    return index.find_burst(
        keys, kBurstMax, [&](uint32_t ref) { rte_prefetch0(&connections.entries[ref / 2]); },
        [&](unsigned i, uint32_t ref) {
          const ConnEntry& entry = connections.entries[ref / 2];
          return keys[i] == (ref % 2 == 0 ? forward_key4(entry) : reverse_key4(entry));
        });
  });
}

}  // namespace

void register_index_benches() {
  if (effort() != Effort::full) return;
  for (const uint32_t flows : {65'536u, 1'048'576u, 4'194'304u}) {
    register_path({.name = "index_rte_hash", .family = "ipv4", .flows = flows}, [=] { return run_rte_hash(flows); });
    register_path({.name = "index_tags", .family = "ipv4", .flows = flows}, [=] { return run_tags(flows); });
  }
}

}  // namespace millrace::perf
