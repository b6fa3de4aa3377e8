#include "controlplane/link/bandwidth.h"

#include <utility>

#include "controlplane/link/directory.h"
#include "controlplane/link/live_counters.h"

namespace millrace::control {
namespace {

// A counter that went back is another backend's.
double per_second(uint64_t was, uint64_t is, double seconds) {
  return is > was ? static_cast<double>(is - was) / seconds : 0;
}

}  // namespace

void BandwidthSampler::sample(std::shared_ptr<const Segment> segment, uint64_t now_ms) {
  const bool same = segment && segment == segment_ && now_ms > last_ms_;
  const double seconds = static_cast<double>(now_ms - last_ms_) / 1000;
  std::unordered_map<uint32_t, Reading> readings;
  if (segment) {
    for (const BackendRow& row : read_backends(*segment)) {
      const BackendLive live = sum_backend(*segment, row.slot);
      Reading& reading = readings[raw(row.slot)] = {live.forward_bytes, live.reverse_bytes, {}};
      const auto was = readings_.find(raw(row.slot));
      if (!same || was == readings_.end()) continue;
      reading.rate = {per_second(was->second.forward_bytes, live.forward_bytes, seconds),
                      per_second(was->second.reverse_bytes, live.reverse_bytes, seconds)};
    }
  }
  segment_ = std::move(segment);
  readings_ = std::move(readings);
  last_ms_ = now_ms;
}

Bandwidth BandwidthSampler::of(BackendSlot slot) const {
  const auto found = readings_.find(raw(slot));
  return found == readings_.end() ? Bandwidth{} : found->second.rate;
}

}  // namespace millrace::control
