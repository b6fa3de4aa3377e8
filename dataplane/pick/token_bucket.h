// token_bucket.h: how much of something may happen: so many at once, and then at a rate.
// How:    a bucket of tokens is the time at which it is full again (GCRA): what is taken costs its interval, and what a
//         burst's time fills may be taken at once.
// Thread: its owner.
// Holds:  over t at most (t + burst) / interval are taken, and one at least.
// Tests:  tests/unit/pick/rate_limiter_test.cpp, tests/unit/stages/punt_test.cpp
#pragma once

#include <algorithm>
#include <cstdint>

namespace millrace {

inline constexpr uint64_t kNsPerMs = 1'000'000;
inline constexpr uint64_t kNsPerSecond = 1'000'000'000;

class TokenBucket {
 public:
  // False: there is no token now. Interval and burst are the same from call to call; `now_ns` never goes back.
  bool take(uint64_t now_ns, uint64_t interval_ns, uint64_t burst_ns) {
    const uint64_t start_ns = std::max(full_ns_, now_ns);
    if (start_ns + interval_ns - now_ns > std::max(burst_ns, interval_ns)) return false;
    full_ns_ = start_ns + interval_ns;
    return true;
  }
  uint64_t full_ns() const { return full_ns_; }

 private:
  uint64_t full_ns_ = 0;
};

}  // namespace millrace
