// established.cpp: packets of flows drawn at random, and SYN floods: traffic that nobody answers.
#include <rte_prefetch.h>

#include <algorithm>

#include "perf/traffic/mixes.h"
#include "perf/traffic/pacer.h"
#include "perf/traffic/realtime.h"

namespace millrace::traffic {
namespace {

// Runs `send_burst(due, tsc)` at the rate for the seconds, then drains.
template <typename SendBurst>
Trial run_at_rate(Bench& bench, double rate, double seconds, SendBurst&& send_burst) {
  const Realtime realtime(bench.options.realtime);
  bench.begin_trial();
  const auto ignore = [](const Arrival&) {};
  const uint64_t start = bench.now();
  const uint64_t end = start + static_cast<uint64_t>(seconds * bench.tsc_hz);
  Pacer pacer(rate, bench.tsc_hz, start);
  uint64_t tsc = start, left = bench.options.search ? UINT64_MAX : bench.options.count;
  while (tsc < end && left != 0 && !stop_wanted.load(std::memory_order_relaxed)) {
    if (const unsigned due = pacer.due(tsc, static_cast<unsigned>(std::min<uint64_t>(left, kBurst))); due != 0) {
      left -= due;
      send_burst(due, tsc);
      bench.flush();
    }
    bench.poll(ignore);
    tsc = bench.now();
  }
  while (bench.draining()) bench.poll(ignore);
  return finish_trial(bench, start, tsc, rate, pacer.skipped());
}

}  // namespace

Trial run_established(Bench& bench, double rate, double seconds) {
  const auto flow_count = static_cast<uint32_t>(bench.flows.size());
  const bool to_reflector = bench.options.peer == Peer::reflector;
  bool forward = bench.options.direction != Direction::reverse;
  const bool alternate = bench.options.direction == Direction::both && !to_reflector;
  return run_at_rate(bench, rate, seconds, [&](unsigned due, uint64_t tsc) {
    uint32_t ids[kBurst];
    for (unsigned i = 0; i < due; ++i) {
      ids[i] = bench.random_below(flow_count);
      rte_prefetch0(&bench.flows[ids[i]]);
    }
    for (unsigned i = 0; i < due; ++i) {
      const uint32_t id = ids[i];
      if (forward || to_reflector) {
        bench.send_forward({.step = Step::request, .id = id, .stamp = tsc});
      } else {
        const Flow& flow = bench.flows[id];
        bench.send_reverse(flow.snat, flow.backend, {.step = Step::response, .id = id, .stamp = tsc});
      }
      forward ^= alternate;
    }
  });
}

Trial run_syn(Bench& bench, double rate, double seconds) {
  uint32_t id = 0;
  return run_at_rate(bench, rate, seconds, [&](unsigned due, uint64_t tsc) {
    for (unsigned i = 0; i < due; ++i) {
      bench.send_forward({.step = Step::syn, .id = id++, .stamp = tsc});
      if (id == bench.options.flows) id = 0;
    }
  });
}

}  // namespace millrace::traffic
