#include "perf/traffic/trial.h"

namespace millrace::traffic {

double Trial::loss() const {
  const uint64_t wanted = tally.sent + tally.refused;
  return wanted == 0 ? 0 : static_cast<double>(tally.lost() + tally.refused) / static_cast<double>(wanted);
}

Latency summarize(const LatencyHistogram& histogram, double tsc_hz) {
  const auto us = [&](uint64_t cycles) { return static_cast<double>(cycles) / tsc_hz * 1e6; };
  return {us(histogram.quantile(0.5)), us(histogram.quantile(0.99)), us(histogram.quantile(0.999)),
          us(histogram.max())};
}

Trial finish_trial(const Bench& bench, uint64_t start, uint64_t end, double offered, uint64_t skipped) {
  Trial trial;
  trial.offered = offered;
  trial.seconds = static_cast<double>(end - start) / bench.tsc_hz;
  trial.skipped = skipped;
  trial.tally = bench.tally();
  trial.latency = summarize(bench.latency(), bench.tsc_hz);
  return trial;
}

}  // namespace millrace::traffic
