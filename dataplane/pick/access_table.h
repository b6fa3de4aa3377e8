// access_table.h: whether a client's address may connect: an ordered list of allow and deny rules, compiled.
// Route:  CommandReader::take > compile_access; act_on_miss > AccessTable::allows
// How:    rules cut the addresses of a family into intervals that are let in and kept out in turn, so their boundaries
//         alone tell everything: an odd number of them up to an address means the opposite of the default.
// Thread: built by the main lcore; allows(): any worker. No allocation, no lock.
// Memory: at most two boundaries a rule, 5 B (IPv4) or 17 B (IPv6) each.
// Cost:   two cache misses, where boundaries lie evenly; at worst a binary search among all of them.
// Tests:  tests/unit/pick/access_table_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "millrace/addr.h"
#include "millrace/messages.h"

namespace millrace {

__extension__ using AddressKey6 = unsigned __int128;  // an IPv6 address as a number
using AddressKey4 = uint32_t;

// Sorted keys, and how many of them are not above another.
template <typename Key>
class SortedKeys {
 public:
  SortedKeys() = default;
  explicit SortedKeys(std::vector<Key> keys);  // ascending, each once

  uint32_t count_up_to(Key key) const {
    if (keys_.empty() || key < keys_.front()) return 0;
    if (key >= keys_.back()) return static_cast<uint32_t>(keys_.size());
    const auto bucket = static_cast<size_t>((key - keys_.front()) >> bucket_shift_);
    uint32_t low = bucket_first_[bucket];
    uint32_t count = bucket_first_[bucket + 1] - low;
    // Halves [low, low + count) without a branch on what the keys are.
    while (count > 0) {
      const uint32_t half = (count + 1) / 2;
      low = keys_[low + half - 1] <= key ? low + half : low;
      count -= half;
    }
    return low;
  }
  bool operator==(const SortedKeys& other) const { return keys_ == other.keys_; }

 private:
  std::vector<Key> keys_;
  // Equal shares of the way from the first key to the last; [i] is the place of the first key of bucket i or behind it.
  std::vector<uint32_t> bucket_first_;
  unsigned bucket_shift_ = 0;
};

class AccessTable {
 public:
  // The first of `rules` that holds an address decides about it; `otherwise` where none does.
  AccessTable(AccessAction otherwise, std::span<const AccessRule> rules);

  bool allows(const IpAddr& source) const {
    const uint32_t boundaries =
        source.is_ipv4() ? ipv4_.count_up_to(source.ipv4().host()) : ipv6_.count_up_to(key_of(source));
    return ((boundaries & 1) == 0) == allows_others_;
  }
  bool operator==(const AccessTable&) const = default;

 private:
  static AddressKey6 key_of(const IpAddr& addr) {
    const std::array<uint64_t, 2> words = addr.words();
    return static_cast<AddressKey6>(__builtin_bswap64(words[0])) << 64 | __builtin_bswap64(words[1]);
  }

  SortedKeys<AddressKey4> ipv4_;
  SortedKeys<AddressKey6> ipv6_;
  bool allows_others_;
};

// Null where everybody is let in: no rules, and nobody else is denied.
std::shared_ptr<const AccessTable> compile_access(AccessAction otherwise, std::span<const AccessRule> rules);

}  // namespace millrace
