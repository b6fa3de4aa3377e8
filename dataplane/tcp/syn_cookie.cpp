#include "dataplane/tcp/syn_cookie.h"

#include <sodium/crypto_shorthash.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>

#include "dataplane/tcp/tcp_options.h"

namespace millrace {
namespace {

static_assert(std::tuple_size_v<CookieSecret> == crypto_shorthash_KEYBYTES);

constexpr unsigned kFactBits = 9;
constexpr uint32_t kFactMask = (1u << kFactBits) - 1;
constexpr unsigned kMssBits = 3;
constexpr uint32_t kSackBit = 1u << 3;
constexpr unsigned kScaleShift = 4;
constexpr uint32_t kScaleNone = 15;
constexpr unsigned kEpochShift = 8;

// What Ethernet, tunnels, PPPoE and jumbo frames leave in either family; the lowest is for whoever asks for less than
// every host takes.
constexpr std::array<uint16_t, 1u << kMssBits> kMssTable = {kMssMin, 536, 1220, 1360, 1400, 1440, 1460, 8940};

uint64_t siphash(const CookieSecret& secret, std::span<const uint8_t> bytes) {
  uint8_t out[crypto_shorthash_BYTES];
  crypto_shorthash(out, bytes.data(), bytes.size(), secret.data());
  uint64_t hash;
  std::memcpy(&hash, out, sizeof hash);
  return hash;
}

template <typename T>
uint8_t* append(uint8_t* at, const T& value) {
  std::memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

// Only the lower 32 bits count.
uint32_t hash_syn(const CookieSecret& secret, const Tuple& syn, uint32_t client_isn, uint32_t facts) {
  uint8_t bytes[2 * sizeof(IpAddr) + 2 * sizeof(Be16) + 2 * sizeof(uint32_t)];
  uint8_t* at = bytes;
  if (syn.src.is_ipv4()) {
    at = append(append(at, syn.src.ipv4()), syn.dst.ipv4());
  } else {
    at = append(append(at, syn.src.bytes), syn.dst.bytes);
  }
  at = append(append(at, syn.src_port), syn.dst_port);
  at = append(append(at, client_isn), facts);
  return static_cast<uint32_t>(siphash(secret, {bytes, static_cast<size_t>(at - bytes)}));
}

uint32_t encode(const CookieFacts& facts, uint64_t epoch) {
  const auto above = std::upper_bound(kMssTable.begin() + 1, kMssTable.end(), facts.mss);
  const auto mss_index = static_cast<uint32_t>(above - kMssTable.begin() - 1);
  const uint32_t scale = facts.window_scale == kNoWindowScale ? kScaleNone : facts.window_scale;
  return static_cast<uint32_t>(epoch & 1) << kEpochShift | scale << kScaleShift | (facts.sack ? kSackBit : 0) |
         mss_index;
}

CookieFacts decode(uint32_t facts) {
  const uint32_t scale = facts >> kScaleShift & 15;
  return {.mss = kMssTable[facts & ((1u << kMssBits) - 1)],
          .window_scale = scale == kScaleNone ? kNoWindowScale : static_cast<uint8_t>(scale),
          .sack = (facts & kSackBit) != 0};
}

}  // namespace

CookieSecret random_cookie_secret() {
  CookieSecret secret;
  if (getentropy(secret.data(), secret.size()) != 0) throw std::runtime_error("the kernel gives no random numbers");
  return secret;
}

SynCookies::SynCookies(const CookieSecret& master, uint64_t now_ms) : master_(master) {
  set_epoch(now_ms / kCookieEpochMs);
}

void SynCookies::set_epoch(uint64_t epoch) {
  epoch_ = epoch;
  for (const uint64_t wanted : {epoch, epoch - 1}) {
    for (uint64_t half = 0; half < 2; ++half) {
      const uint64_t input[] = {wanted, half};
      const uint64_t word = siphash(master_, {reinterpret_cast<const uint8_t*>(input), sizeof input});
      std::memcpy(secrets_[wanted & 1].data() + half * sizeof word, &word, sizeof word);
    }
  }
}

uint32_t SynCookies::make(const Tuple& syn, uint32_t client_isn, const CookieFacts& facts) const {
  const uint32_t bits = encode(facts, epoch_);
  const uint32_t hash = hash_syn(secret_of(epoch_), syn, client_isn, bits);
  return (hash & ~kFactMask) | (bits ^ hash >> (32 - kFactBits));
}

std::optional<CookieFacts> SynCookies::check(const Tuple& syn, uint32_t client_isn, uint32_t cookie) const {
  const uint32_t bits = (cookie & kFactMask) ^ cookie >> (32 - kFactBits);
  const uint32_t hash = hash_syn(secrets_[bits >> kEpochShift & 1], syn, client_isn, bits);
  if (((hash ^ cookie) & ~kFactMask) != 0) return std::nullopt;
  return decode(bits);
}

uint32_t SynCookies::backend_isn(const Endpoint& snat, const Endpoint& backend, uint64_t now_ms) const {
  constexpr uint32_t kPerMs = 250;  // one every 4 us, RFC 6528 section 3
  const Tuple tuple{.src = snat.addr, .dst = backend.addr, .src_port = snat.port, .dst_port = backend.port};
  return hash_syn(master_, tuple, 0, ~0u) + static_cast<uint32_t>(now_ms * kPerMs);
}

}  // namespace millrace
