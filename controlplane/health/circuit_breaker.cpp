#include "controlplane/health/circuit_breaker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace millrace::control {
namespace {

constexpr uint32_t kTripsCounted = 32;  // 1 s has doubled to a century by then

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(std::min(part, whole)) / static_cast<double>(whole);
}

std::string failed_text(uint64_t failed, uint64_t ended) {
  return fmt::format("{:.0f}% of {} connections failed", 100 * share(failed, ended), ended);
}

}  // namespace

const char* breaker_name(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::half_open:
      return "half_open";
  }
  return "unknown";
}

void CircuitBreaker::count(const BreakerCounts& counts, uint64_t now_ms, const Config& config) {
  // While it is open, what ends now began before: it is in its cause already.
  if (state_ == BreakerState::open) return;
  if (state_ == BreakerState::half_open) {
    trial_.opened += counts.opened;
    // What began before the trial may still end in it.
    trial_.ended = std::min(trial_.ended + counts.ended, trial_.opened);
    trial_.failed = std::min(trial_.failed + counts.failed, trial_.opened);
    return;
  }
  if (counted_) move_window(now_ms, config);
  if (counts.ended == 0 && counts.failed == 0) return;
  if (!counted_) newest_slice_ = now_ms * kSlices / config.window_ms;
  counted_ = true;
  Slice& slice = slices_[newest_slice_ % kSlices];
  slice.ended += counts.ended;
  slice.failed += counts.failed;
}

void CircuitBreaker::move_window(uint64_t now_ms, const Config& config) {
  const uint64_t slice = now_ms * kSlices / config.window_ms;
  if (slice >= newest_slice_ + kSlices) return forget_window();
  while (newest_slice_ < slice) slices_[++newest_slice_ % kSlices] = {};
}

void CircuitBreaker::forget_window() {
  slices_ = {};
  counted_ = false;
}

CircuitBreaker::Slice CircuitBreaker::window() const {
  Slice sum;
  for (const Slice& slice : slices_) {
    sum.ended += slice.ended;
    sum.failed += slice.failed;
  }
  return sum;
}

double CircuitBreaker::error_ratio() const {
  const Slice sum = window();
  return share(sum.failed, sum.ended);
}

bool CircuitBreaker::is_failing(const Config& config) const {
  if (state_ != BreakerState::closed || !counted_) return false;
  const Slice sum = window();
  return sum.failed != 0 && sum.ended >= config.volume_threshold && share(sum.failed, sum.ended) >= config.error_ratio;
}

void CircuitBreaker::open(uint64_t now_ms, double jitter, const Config& config) {
  const Slice sum = window();
  cause_ = fmt::format("{} in {:g} s", failed_text(sum.failed, sum.ended), config.window_ms / 1000.0);
  const bool again = closed_ms_ != 0 && now_ms - closed_ms_ < config.sleep_window_max_ms;
  trip(now_ms, jitter, config, again);
}

void CircuitBreaker::trip(uint64_t now_ms, double jitter, const Config& config, bool again) {
  trips_ = again ? std::min(trips_ + 1, kTripsCounted) : 1;
  const uint64_t doubled_ms = uint64_t{config.sleep_window_ms} << (trips_ - 1);
  const uint64_t sleep_ms =
      std::min<uint64_t>(doubled_ms, std::max(config.sleep_window_max_ms, config.sleep_window_ms));
  state_ = BreakerState::open;
  opened_ms_ = now_ms;
  until_ms_ = now_ms + static_cast<uint64_t>(std::llround(static_cast<double>(sleep_ms) * jitter));
  ++ejections_;
  forget_window();
}

void CircuitBreaker::close(uint64_t now_ms) {
  state_ = BreakerState::closed;
  closed_ms_ = now_ms;
  forget_window();
}

bool CircuitBreaker::advance(uint64_t now_ms, double jitter, const Config& config) {
  if (state_ == BreakerState::open && now_ms >= until_ms_) {
    state_ = BreakerState::half_open;
    trial_ = {};
    return true;
  }
  if (state_ != BreakerState::half_open) return false;
  // As soon as too many have failed, whatever becomes of the others.
  const bool failed = trial_.failed != 0 && share(trial_.failed, config.trial_connections) >= config.error_ratio;
  const bool enough = trial_.ended >= config.trial_connections;
  if (failed || (enough && share(trial_.failed, trial_.ended) >= config.error_ratio)) {
    cause_ = failed_text(trial_.failed, std::max(trial_.ended, trial_.failed)) + " on trial";
    trip(now_ms, jitter, config, true);
    return true;
  }
  if (!enough) return false;
  close(now_ms);
  return true;
}

}  // namespace millrace::control
