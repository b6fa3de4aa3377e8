#include "controlplane/link/rate_sampler.h"

#include <algorithm>

namespace millrace::control {
namespace {

// A counter that went back is a peer's fault; it has no rate.
uint64_t grown(uint64_t was, uint64_t is) { return is > was ? is - was : 0; }

WorkerRate rate_between(const WorkerLive& was, const WorkerLive& is, double seconds) {
  const auto per_second = [&](uint64_t from, uint64_t to) { return static_cast<double>(grown(from, to)) / seconds; };
  const uint64_t cycles = grown(was.total_cycles, is.total_cycles);
  const uint64_t busy = grown(was.busy_cycles, is.busy_cycles);
  WorkerRate rate;
  rate.rx_packets = per_second(was.rx_packets, is.rx_packets);
  rate.tx_packets = per_second(was.tx_packets, is.tx_packets);
  rate.rx_bits = 8 * per_second(was.rx_bytes, is.rx_bytes);
  rate.tx_bits = 8 * per_second(was.tx_bytes, is.tx_bytes);
  rate.connections = per_second(was.connections_opened, is.connections_opened);
  rate.drops = per_second(was.dropped_total(), is.dropped_total());
  rate.handed_in = per_second(was.handed_in, is.handed_in);
  rate.handed_out = per_second(was.handed_out, is.handed_out);
  for (uint32_t port = 0; port < kPortMax; ++port)
    rate.ports[port] = {.rx_packets = per_second(was.ports[port].rx_packets, is.ports[port].rx_packets),
                        .handed_over = per_second(was.ports[port].handed_over, is.ports[port].handed_over)};
  rate.busy_ratio = cycles == 0 ? 0 : std::min(1.0, static_cast<double>(busy) / static_cast<double>(cycles));
  return rate;
}

}  // namespace

void RateSampler::sample(std::shared_ptr<const Segment> segment, uint64_t now_ms) {
  const bool same = segment && segment == segment_;
  rates_.clear();
  std::vector<WorkerLive> workers = segment ? read_workers(*segment) : std::vector<WorkerLive>{};
  if (same && now_ms > last_ms_) {
    const double seconds = static_cast<double>(now_ms - last_ms_) / 1000;
    for (size_t worker = 0; worker < workers.size(); ++worker)
      rates_.push_back(rate_between(last_[worker], workers[worker], seconds));
  }
  segment_ = std::move(segment);
  last_ = std::move(workers);
  last_ms_ = now_ms;
}

}  // namespace millrace::control
