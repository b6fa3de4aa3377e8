// access_table.cpp: from an ordered list of prefixes to boundaries.
#include "dataplane/pick/access_table.h"

#include <algorithm>
#include <tuple>

namespace millrace {
namespace {

constexpr size_t kKeysPerBucket = 4;  // about a cache line of IPv6 keys

// A rule as an interval; its place in the list is its rank.
template <typename Key>
struct Interval {
  Key first{};
  Key last{};
  uint32_t rank = 0;
};

// Prefixes lie within each other or apart. So one walk over them in the order in which they begin, with those that are
// open on a stack, meets every change of who decides.
template <typename Key>
class Sweep {
 public:
  Sweep(AccessAction otherwise, std::span<const AccessRule> rules) : otherwise_(otherwise), rules_(rules) {}

  std::vector<Key> boundaries(std::vector<Interval<Key>> intervals) {
    std::ranges::sort(intervals, [](const Interval<Key>& a, const Interval<Key>& b) {
      return std::tuple(a.first, b.last, a.rank) < std::tuple(b.first, a.last, b.rank);
    });
    for (const Interval<Key>& interval : intervals) {
      close_before(interval.first);
      const uint32_t rank = open_.empty() ? interval.rank : std::min(interval.rank, open_.back().rank);
      open_.push_back({interval.first, interval.last, rank});
      change_at(interval.first);
    }
    while (!open_.empty()) close_last();
    return turns();
  }

 private:
  struct Change {
    Key at{};
    AccessAction to{};
  };

  void close_before(Key key) {
    while (!open_.empty() && open_.back().last < key) close_last();
  }
  void close_last() {
    const Key last = open_.back().last;
    open_.pop_back();
    if (last != static_cast<Key>(~Key{})) change_at(last + 1);
  }
  // From `at` on, whoever is on top of the stack decides.
  void change_at(Key at) {
    const AccessAction to = open_.empty() ? otherwise_ : rules_[open_.back().rank].action;
    if (!changes_.empty() && changes_.back().at == at)
      changes_.back().to = to;
    else
      changes_.push_back({at, to});
  }
  // Where the action really becomes the other one.
  std::vector<Key> turns() const {
    std::vector<Key> keys;
    AccessAction action = otherwise_;
    for (const Change& change : changes_) {
      if (change.to == action) continue;
      action = change.to;
      keys.push_back(change.at);
    }
    return keys;
  }

  AccessAction otherwise_;
  std::span<const AccessRule> rules_;
  std::vector<Interval<Key>> open_;  // each within the one before it; the rank of whoever decides there
  std::vector<Change> changes_;
};

template <typename Key>
Interval<Key> interval_of(Key first, unsigned bits, uint32_t rank) {
  constexpr unsigned kKeyBits = sizeof(Key) * 8;
  const Key host = bits == 0 ? ~Key{} : bits == kKeyBits ? Key{} : (Key{1} << (kKeyBits - bits)) - 1;
  return {first, first | host, rank};
}

}  // namespace

template <typename Key>
SortedKeys<Key>::SortedKeys(std::vector<Key> keys) : keys_(std::move(keys)) {
  keys_.shrink_to_fit();
  if (keys_.empty()) return;
  const Key span = keys_.back() - keys_.front();
  const size_t bucket_max = keys_.size() / kKeysPerBucket + 2;  // with one alone, the shift could reach the key's width
  while ((span >> bucket_shift_) >= bucket_max) ++bucket_shift_;
  const auto bucket_count = static_cast<size_t>(span >> bucket_shift_) + 1;
  bucket_first_.reserve(bucket_count + 1);
  for (uint32_t i = 0; i < keys_.size(); ++i)
    while (bucket_first_.size() <= static_cast<size_t>((keys_[i] - keys_.front()) >> bucket_shift_))
      bucket_first_.push_back(i);
  bucket_first_.push_back(static_cast<uint32_t>(keys_.size()));
}

template class SortedKeys<AddressKey4>;
template class SortedKeys<AddressKey6>;

AccessTable::AccessTable(AccessAction otherwise, std::span<const AccessRule> rules)
    : allows_others_(otherwise == AccessAction::allow) {
  std::vector<Interval<AddressKey4>> intervals4;
  std::vector<Interval<AddressKey6>> intervals6;
  for (uint32_t rank = 0; rank < rules.size(); ++rank) {
    const AccessRule& rule = rules[rank];
    if (rule.prefix.is_ipv4())
      intervals4.push_back(interval_of(rule.prefix.ipv4().host(), rule.bits, rank));
    else
      intervals6.push_back(interval_of(key_of(rule.prefix), rule.bits, rank));
  }
  ipv4_ = SortedKeys(Sweep<AddressKey4>(otherwise, rules).boundaries(std::move(intervals4)));
  ipv6_ = SortedKeys(Sweep<AddressKey6>(otherwise, rules).boundaries(std::move(intervals6)));
}

std::shared_ptr<const AccessTable> compile_access(AccessAction otherwise, std::span<const AccessRule> rules) {
  if (rules.empty() && otherwise == AccessAction::allow) return nullptr;
  return std::make_shared<const AccessTable>(otherwise, rules);
}

}  // namespace millrace
