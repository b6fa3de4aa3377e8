// syn_cookie.h: a sequence number that holds what we would otherwise have to remember of a client's SYN (RFC 4987
// section 3.6): its MSS, window scale and SACK permission, sealed with a keyed hash (SipHash-2-4).
//   31 ........ 9   8        7 6 5 4   3       2 1 0
//   hash, 23 bits   epoch    scale     SACK    MSS index     the lower nine bits XORed with the hash's upper nine
// The hash covers those bits, both endpoints and the client's own initial sequence number. Timestamps need no room: a
// client that agreed to them shows them in every segment.
// Route:  act_on_miss > answer_syn > make; act_on_miss > accept_client > check
// Thread: one object a worker, all with the same master secret, so that any worker accepts any other's cookie.
// Holds:  an epoch has its own secret, made from the master. A cookie is good for the rest of its epoch and the next
//         one, so at least kCookieEpochMs.
// Tests:  tests/unit/tcp/syn_cookie_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/stages/burst.h"
#include "millrace/splice.h"

namespace millrace {

using CookieSecret = std::array<uint8_t, 16>;
inline constexpr uint32_t kCookieEpochMs = 32'768;

// From the kernel's random numbers. Throws std::runtime_error.
CookieSecret random_cookie_secret();

// What a cookie tells of its SYN.
struct CookieFacts {
  uint16_t mss = 0;          // rounded down to one of eight
  uint8_t window_scale = 0;  // 0 .. 14, kNoWindowScale
  bool sack = false;
};

class SynCookies {
 public:
  SynCookies(const CookieSecret& master, uint64_t now_ms);

  // Once a millisecond or less often: goes over to the next epoch when it is time.
  void advance(uint64_t now_ms) {
    if (now_ms / kCookieEpochMs != epoch_) set_epoch(now_ms / kCookieEpochMs);
  }

  // Initial sequence number of the answer to `syn`, from client to VIP.
  uint32_t make(const Tuple& syn, uint32_t client_isn, const CookieFacts& facts) const;
  // What make() was told; nullopt when it never made `cookie` for this client and sequence number, or long ago.
  std::optional<CookieFacts> check(const Tuple& syn, uint32_t client_isn, uint32_t cookie) const;

  // Initial sequence number towards a backend (RFC 6528): grows with time for one pair of endpoints, so that a backend
  // in TIME_WAIT takes our SYN (RFC 6191), and cannot be guessed for another.
  uint32_t backend_isn(const Endpoint& snat, const Endpoint& backend, uint64_t now_ms) const;

 private:
  void set_epoch(uint64_t epoch);
  const CookieSecret& secret_of(uint64_t epoch) const { return secrets_[epoch & 1]; }

  CookieSecret master_;
  uint64_t epoch_ = 0;
  std::array<CookieSecret, 2> secrets_{};  // by the lowest bit of the epoch
};

}  // namespace millrace
