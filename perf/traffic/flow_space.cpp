#include "perf/traffic/flow_space.h"

#include <algorithm>

namespace millrace::traffic {
namespace {

constexpr unsigned kHostBitsMax = 17;
constexpr unsigned kPortBits = 15;
constexpr uint16_t kFirstPort = 1024;

constexpr uint32_t kOdd1 = 0x9e3779b1, kOdd2 = 0x85ebca77;

// Modulo 2^32 by Newton's method; each round doubles the bits that are right.
constexpr uint32_t inverse(uint32_t odd) {
  uint32_t x = odd;
  for (int i = 0; i < 5; ++i) x *= 2 - odd * x;
  return x;
}
static_assert(kOdd1 * inverse(kOdd1) == 1 && kOdd2 * inverse(kOdd2) == 1);

uint32_t low_word(const IpAddr& addr) {
  Be32 word;
  std::memcpy(&word.raw, addr.bytes.data() + 12, sizeof word.raw);
  return word.host();
}

// By whole words: writing a few bytes and reading all of them at once costs a dozen cycles, for every packet.
IpAddr with_low_word(const IpAddr& addr, uint32_t value) {
  std::array<uint64_t, 2> words;
  std::memcpy(words.data(), addr.bytes.data(), sizeof words);
  words[1] = (words[1] & 0xffffffff) | uint64_t{Be32::from_host(value).raw} << 32;
  IpAddr changed;
  std::memcpy(changed.bytes.data(), words.data(), sizeof words);
  return changed;
}

bool same_but_low_word(const IpAddr& a, const IpAddr& b) {
  std::array<uint64_t, 2> left, right;
  std::memcpy(left.data(), a.bytes.data(), sizeof left);
  std::memcpy(right.data(), b.bytes.data(), sizeof right);
  return left[0] == right[0] && static_cast<uint32_t>(left[1]) == static_cast<uint32_t>(right[1]);
}
static_assert(std::endian::native == std::endian::little);

}  // namespace

FlowSpace::FlowSpace(const IpAddr& prefix, unsigned prefix_bits, uint64_t seed)
    : prefix_(prefix),
      host_bits_(std::min(kHostBitsMax, (prefix.is_ipv4() ? 32 : 128) - prefix_bits)),
      bits_(host_bits_ + kPortBits),
      mask_(static_cast<uint32_t>((uint64_t{1} << bits_) - 1)),
      seed_(static_cast<uint32_t>(seed * 0x9e3779b97f4a7c15 >> 32)) {
  prefix_ = with_low_word(prefix_, low_word(prefix_) & ~((1u << host_bits_) - 1));
}

// Every step can be undone modulo 2^bits_: odd products, and a shift by at least half the bits.
uint32_t FlowSpace::scramble(uint32_t id) const {
  const unsigned half = (bits_ + 1) / 2;
  uint32_t value = (id ^ seed_) & mask_;
  value = value * kOdd1 & mask_;
  value ^= value >> half;
  value = value * kOdd2 & mask_;
  return value ^ value >> half;
}

uint32_t FlowSpace::unscramble(uint32_t value) const {
  const unsigned half = (bits_ + 1) / 2;
  value ^= value >> half;
  value = value * inverse(kOdd2) & mask_;
  value ^= value >> half;
  value = value * inverse(kOdd1) & mask_;
  return (value ^ seed_) & mask_;
}

Endpoint FlowSpace::client(uint32_t id) const {
  const uint32_t value = scramble(id);
  const uint16_t port = static_cast<uint16_t>(kFirstPort + (value & ((1u << kPortBits) - 1)));
  return {with_low_word(prefix_, low_word(prefix_) | value >> kPortBits), Be16::from_host(port)};
}

std::optional<uint32_t> FlowSpace::id_of(const Endpoint& client) const {
  const uint32_t host = low_word(client.addr) ^ low_word(prefix_);
  const unsigned port = client.port.host() - unsigned{kFirstPort};
  if (host >> host_bits_ != 0 || port >= 1u << kPortBits || !same_but_low_word(client.addr, prefix_))
    return std::nullopt;
  return unscramble(host << kPortBits | port);
}

}  // namespace millrace::traffic
