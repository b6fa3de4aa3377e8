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
  std::vector<Reading> readings;
  if (segment) {
    readings.resize(segment->backends().size());
    readings_.resize(readings.size());
    for (const BackendRow& row : read_backends(*segment)) {
      const BackendLive live = sum_backend(*segment, row.slot);
      Reading& reading = readings[raw(row.slot)] = {true, live.forward_bytes, live.reverse_bytes, {}};
      const Reading& was = readings_[raw(row.slot)];
      if (!same || !was.known) continue;
      reading.rate = {per_second(was.forward_bytes, live.forward_bytes, seconds),
                      per_second(was.reverse_bytes, live.reverse_bytes, seconds)};
    }
  }
  segment_ = std::move(segment);
  readings_ = std::move(readings);
  last_ms_ = now_ms;
}

Bandwidth BandwidthSampler::of(BackendSlot slot) const {
  return raw(slot) < readings_.size() ? readings_[raw(slot)].rate : Bandwidth{};
}

}  // namespace millrace::control
