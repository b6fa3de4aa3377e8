#include "dataplane/conn/snat_ports.h"

#include <rte_random.h>

#include <algorithm>
#include <span>

namespace millrace {

namespace {

uint32_t low_word(const IpAddr& addr) {
  Be32 word;
  std::memcpy(&word.raw, addr.bytes.data() + 12, sizeof word.raw);
  return word.host();
}

// A range has at most kSnatAddressPerRangeMax addresses, so the low words tell their number even across a carry.
uint64_t address_count(const SnatRange& range) { return low_word(range.last) - low_word(range.first) + 1u; }
uint64_t port_count(const SnatRange& range) { return uint64_t{range.port_last} - range.port_first + 1; }
uint64_t position_count(const SnatRange& range) { return address_count(range) * port_count(range); }

IpAddr nth_address(const IpAddr& first, uint64_t n) {
  IpAddr addr = first;
  for (size_t i = addr.bytes.size(); i-- > 0 && n != 0; n >>= 8) {
    n += addr.bytes[i];
    addr.bytes[i] = static_cast<uint8_t>(n);
  }
  return addr;
}

// One place in a pool's sequence, and the way to the next, round and round.
class PoolWalk {
 public:
  PoolWalk(std::span<const SnatRange> ranges, uint64_t position) : ranges_(ranges) {
    while (position >= position_count(ranges_[range_])) position -= position_count(ranges_[range_++]);
    const uint64_t ports = port_count(ranges_[range_]);
    enter_address(position / ports);
    port_ = ranges_[range_].port_first + static_cast<uint32_t>(position % ports);
  }

  const IpAddr& addr() const { return addr_; }
  Be16 port() const { return Be16::from_host(static_cast<uint16_t>(port_)); }

  // True when the address has changed.
  bool advance() {
    if (++port_ <= ranges_[range_].port_last) return false;
    if (address_ + 1 < address_count(ranges_[range_])) {
      enter_address(address_ + 1);
    } else {
      range_ = range_ + 1 == ranges_.size() ? 0 : range_ + 1;
      enter_address(0);
    }
    port_ = ranges_[range_].port_first;
    return true;
  }

 private:
  void enter_address(uint64_t address) {
    address_ = address;
    addr_ = nth_address(ranges_[range_].first, address);
  }

  std::span<const SnatRange> ranges_;
  size_t range_ = 0;
  uint64_t address_ = 0;  // within the range
  uint32_t port_ = 0;     // 65536 for a moment
  IpAddr addr_;           // of range_ and address_
};

bool is_taken(const ConnTable& table, Proto proto, const BackendTarget& backend, const IpAddr& addr, Be16 port) {
  const uint32_t proto_word = static_cast<uint32_t>(proto);
  if (addr.is_ipv4())
    return table.find4(FlowKey4{backend.addr.ipv4(), addr.ipv4(), backend.port, port, proto_word}).found();
  return table.find6(FlowKey6{backend.addr.bytes, addr.bytes, backend.port, port, proto_word}).found();
}

// The finaliser of SplitMix64: neighbouring numbers lead to unrelated ones.
uint64_t scramble(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace

SnatPorts::SnatPorts(WorkerIndex self, const Owner& owner) : SnatPorts(self, owner, rte_rand()) {}

SnatPorts::SnatPorts(WorkerIndex self, const Owner& owner, uint64_t seed)
    : self_(self), owner_(owner), cursors_(new uint64_t[kBackendMax + 1]) {
  // One more than there are backends, so that no BackendSlot, kNoBackend included, lies outside.
  for (uint32_t slot = 0; slot <= kBackendMax; ++slot)
    cursors_[slot] = scramble(seed + scramble(uint64_t{raw(self)} << 32 | slot));
}

std::optional<Endpoint> SnatPorts::find(const SnatPool& pool, Proto proto, const BackendTarget& backend,
                                        const ConnTable& table, uint64_t& tries) {
  const Family family = backend.addr.family();
  const std::span<const SnatRange> ranges = family == Family::ipv4 ? pool.ipv4 : pool.ipv6;
  uint64_t total = 0;
  for (const SnatRange& range : ranges) total += position_count(range);
  if (total == 0) return std::nullopt;

  uint64_t& cursor = cursors_[raw(backend.slot)];
  cursor %= total;
  PoolWalk walk(ranges, cursor);
  // The reply's hash but for its destination port, which is the only thing that changes from step to step.
  const bool alone = owner_.worker_count() == 1;
  const auto hash_without_port = [&] {
    return alone ? 0 : Owner::rss_hash(backend.addr, backend.port, walk.addr(), Be16{});
  };
  uint32_t address_hash = hash_without_port();
  const uint64_t steps_max = std::min<uint64_t>(total, kSnatStepsMax);
  unsigned looked_up = 0;
  for (uint64_t step = 0; step < steps_max && looked_up < kSnatTries; ++step) {
    ++cursor;
    const bool hashes_home = alone || owner_.of_hash(address_hash ^ Owner::dst_port_part(family, walk.port())) == self_;
    if (hashes_home) {
      ++looked_up;
      ++tries;
      if (!is_taken(table, proto, backend, walk.addr(), walk.port())) return Endpoint{walk.addr(), walk.port()};
    }
    if (walk.advance()) address_hash = hash_without_port();
  }
  return std::nullopt;
}

std::optional<Endpoint> tunnel_source(const SnatPool& pool, Family family, uint64_t hash) {
  const std::vector<SnatRange>& ranges = family == Family::ipv4 ? pool.ipv4 : pool.ipv6;
  uint64_t total = 0;
  for (const SnatRange& range : ranges) total += address_count(range);
  if (total == 0) return std::nullopt;
  uint64_t place = (hash & 0xffff'ffff) % total;
  const SnatRange* range = ranges.data();
  while (place >= address_count(*range)) place -= address_count(*range++);
  constexpr uint16_t kDynamicFirst = 49152;
  const uint16_t port_first =
      range->port_last > kDynamicFirst ? std::max(range->port_first, kDynamicFirst) : range->port_first;
  const uint64_t port = port_first + (hash >> 32) % (uint64_t{range->port_last} - port_first + 1);
  return Endpoint{nth_address(range->first, place), Be16::from_host(static_cast<uint16_t>(port))};
}

}  // namespace millrace
