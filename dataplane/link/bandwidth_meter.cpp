#include "dataplane/link/bandwidth_meter.h"

#include <cmath>

namespace millrace {

BandwidthMeter::BandwidthMeter(std::span<const BackendCounters* const> rows, Bandwidths& bandwidths)
    : rows_(rows), bandwidths_(bandwidths), samples_(kBackendMax) {}

void BandwidthMeter::measure(const DesiredModel& model, uint64_t now_ms) {
  if (now_ms == last_ms_) return;
  for (const DesiredService& service : model.services) {
    if (service.balance != Balance::leastbandwidth) continue;
    for (const DesiredBackend& backend : service.backends) measure(backend.slot, now_ms);
  }
  last_ms_ = now_ms;
}

void BandwidthMeter::measure(BackendSlot slot, uint64_t now_ms) {
  Sample& sample = samples_[raw(slot)];
  uint64_t bytes = 0;
  for (const BackendCounters* row : rows_)
    bytes += row[raw(slot)].forward_bytes.read() + row[raw(slot)].reverse_bytes.read();
  // Fewer than before: the slot has changed hands.
  if (sample.at_ms == 0 || sample.at_ms != last_ms_ || bytes < sample.bytes) {
    sample.bits_per_s = 0;
  } else {
    const auto passed_ms = static_cast<double>(now_ms - sample.at_ms);
    const double present = static_cast<double>(bytes - sample.bytes) * 8000 / passed_ms;
    sample.bits_per_s += (present - sample.bits_per_s) * -std::expm1(-passed_ms / kBandwidthForgottenMs);
  }
  sample.bytes = bytes;
  sample.at_ms = now_ms;
  bandwidths_.set(slot, static_cast<uint64_t>(sample.bits_per_s));
}

}  // namespace millrace
