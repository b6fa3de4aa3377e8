#include "perf/traffic/search.h"

#include <fmt/format.h>

#include <cstdio>

#include "perf/traffic/mixes.h"

namespace millrace::traffic {
namespace {

// A generator that could not keep the rate has not tried it.
constexpr double kSentShareMin = 0.99;

bool passed(const Trial& trial, double tolerance) {
  return trial.loss() <= tolerance && trial.sent_rate() >= kSentShareMin * trial.offered;
}

void show(const Trial& trial, bool good) {
  fmt::print(stderr, "{:8.3f} Mpps: loss {:.4f}%, sent {:.3f} Mpps, p50 {:.1f} us{}\n", trial.offered / 1e6,
             trial.loss() * 100, trial.sent_rate() / 1e6, trial.latency.p50_us, good ? "" : "  too fast");
}

}  // namespace

SearchResult search_rate(Bench& bench) {
  const Options& options = bench.options;
  SearchResult result;
  result.flood = run_established(bench, 0, options.trial_seconds);
  fmt::print(stderr, "     max: received {:.3f} Mpps\n", result.flood.received_rate() / 1e6);
  // Overload costs the balancer, and a flood also this program, so that less than that may be more.
  double low = 0, high = 1.2 * result.flood.received_rate();
  for (unsigned step = 0; step < kSearchSteps && high > 0; ++step) {
    const double rate = low == 0 ? high * (step == 0 ? 0.8 : 0.5) : (low + high) / 2;
    bool good = false;
    for (unsigned attempt = 0; attempt < 2 && !good; ++attempt) {
      if (stop_wanted.load(std::memory_order_relaxed)) return result;
      result.trials.push_back(run_established(bench, rate, options.trial_seconds));
      good = passed(result.trials.back(), options.tolerance);
      show(result.trials.back(), good);
    }
    (good ? low : high) = rate;
    if (!good) result.generator_limited = result.trials.back().loss() <= options.tolerance;
  }
  result.rate = low;
  if (low != 0) result.at_load = run_established(bench, options.load * low, options.seconds);
  return result;
}

}  // namespace millrace::traffic
