// pacer.h: how many may be sent by now at a fixed rate. Whoever falls behind, because the machine had something else to
// do, does not catch up in a burst: that would measure the burst.
// Thread: one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace millrace::traffic {

class Pacer {
 public:
  // `rate` 0: no limit.
  Pacer(double rate, double tsc_hz, uint64_t start) : per_cycle_(rate / tsc_hz), start_(start) {}

  unsigned due(uint64_t tsc, unsigned at_most) {
    if (per_cycle_ == 0) return at_most;
    const auto wanted = static_cast<uint64_t>(static_cast<double>(tsc - start_) * per_cycle_);
    if (wanted - passed_ > kBehindMax) {
      skipped_ += wanted - passed_ - kBehindMax;
      passed_ = wanted - kBehindMax;
    }
    const auto count = static_cast<unsigned>(std::min<uint64_t>(wanted - passed_, at_most));
    passed_ += count;
    return count;
  }
  uint64_t skipped() const { return skipped_; }

 private:
  static constexpr uint64_t kBehindMax = 256;

  double per_cycle_;
  uint64_t start_;
  uint64_t passed_ = 0;  // sent or skipped
  uint64_t skipped_ = 0;
};

}  // namespace millrace::traffic
