// pick_candidates.h: who may be picked now, and how much of its weight counts while it warms up. One that is tried again
// takes part in some picks only.
// Route:  pick_backend > Candidates
// Thread: owning worker, for one pick.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "dataplane/pick/pick_backend.h"

namespace millrace {

// Warmth and effective weights count in 1/1024.
inline constexpr uint32_t kWarm = 1024;
// Where slow start begins: a tenth, enough to fill caches and to see whether it works.
inline constexpr uint32_t kFirstWarmth = kWarm / 10;

// Trials count in 1/256.
inline constexpr uint32_t kWholeTrial = 256;

class Candidates {
 public:
  Candidates(const ServiceTables& service, const PickWish& wish, const PickView& view, PickRandom& random)
      : view_(view), random_(random), wish_(wish), balance_(service.balance), slow_start_ms_(service.slow_start_ms) {}

  bool has(const BackendTarget& target) {
    if (target.slot == wish_.avoid || !view_.eligible.read(target.slot)) return false;
    if (view_.eligible.is_on_trial(target.slot) && !takes_trial(target)) return false;
    if (target.connections_max == 0 || view_.open.of(target.slot) < target.connections_max) return true;
    met_full_ = true;
    return false;
  }
  // For schedulers that count no load: one that warms up takes this share of its turns.
  bool takes_turn(const BackendTarget& target) {
    if (slow_start_ms_ == 0) return true;
    const uint32_t warmth = warmth_of(target);
    return warmth == kWarm || random_.below(kWarm) < warmth;
  }
  // For those that do: load is compared by weight.
  uint64_t weight_of(const BackendTarget& target) const {
    return uint64_t{target.weight} * (slow_start_ms_ == 0 ? kWarm : warmth_of(target));
  }
  bool met_full() const { return met_full_; }
  // Somebody on trial was passed over, and is not from now on.
  bool end_trials() {
    const bool passed_over = passed_over_;
    passed_over_ = false;
    trials_over_ = true;
    return passed_over;
  }

 private:
  // Decided once a pick, however often the scheduler comes by: with few connections it would win whatever it takes part in.
  bool takes_trial(const BackendTarget& target) {
    if (trials_over_) return true;
    if (!lot_) lot_ = is_by_client(balance_) ? mix_bits(wish_.client_hash) % kWholeTrial : random_.below(kWholeTrial);
    if (*lot_ < view_.eligible.trial(target.slot)) return true;
    passed_over_ = true;
    return false;
  }
  uint32_t warmth_of(const BackendTarget& target) const {
    const uint32_t since_ms = view_.eligible.warming_since_ms(target.slot);
    if (since_ms == 0) return kWarm;
    // The main lcore's clock may be a millisecond ahead.
    const auto passed_ms = static_cast<uint32_t>(std::max(static_cast<int32_t>(view_.now_ms - since_ms), 0));
    if (passed_ms >= slow_start_ms_) return kWarm;
    return kFirstWarmth + static_cast<uint32_t>(uint64_t{kWarm - kFirstWarmth} * passed_ms / slow_start_ms_);
  }

  const PickView& view_;
  PickRandom& random_;
  const PickWish& wish_;
  Balance balance_;
  uint32_t slow_start_ms_;
  bool met_full_ = false;
  bool passed_over_ = false;
  bool trials_over_ = false;
  std::optional<uint64_t> lot_;
};

}  // namespace millrace
