// timer_wheel_bench.cpp: arming, re-arming and expiring connections.

#include <random>
#include <vector>

#include "dataplane/conn/timer_wheel.h"
#include "perf/micro/benches.h"
#include "perf/micro/measure.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

std::vector<uint32_t> random_order(uint32_t count) {
  std::mt19937 random(1);
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; ++i) order[i] = static_cast<uint32_t>(random() % count);
  return order;
}

// An armed connection moves to another slot, as at every change of TCP state.
void run_rearm(benchmark::State& state, uint32_t count) {
  TimerWheel wheel(ConnIndex{0}, count, 0);
  const std::vector<uint32_t> order = random_order(count);
  for (uint32_t i = 0; i < count; ++i) wheel.arm(static_cast<ConnIndex>(i), 1000 + i % 600'000);
  size_t next = 0;
  for (auto _ : state) {
    wheel.arm(static_cast<ConnIndex>(order[next]), 1000 + order[next] * 7 % 600'000);
    if (++next == order.size()) next = 0;
  }
  report_operations(state, static_cast<uint64_t>(state.iterations()));
}

// `count` connections spread over ten minutes all end: per connection, the turning of the wheel included.
void run_expire(benchmark::State& state, uint32_t count) {
  const std::vector<uint32_t> order = random_order(600'000);
  uint64_t expired = 0;
  for (auto _ : state) {
    state.PauseTiming();
    TimerWheel wheel(ConnIndex{0}, count, 0);
    for (uint32_t i = 0; i < count; ++i) wheel.arm(static_cast<ConnIndex>(i), order[i % order.size()]);
    state.ResumeTiming();
    for (Ms now_ms = 0; now_ms < 700'000;)
      if (!wheel.advance(now_ms, [&](ConnIndex) { ++expired; })) now_ms += TimerWheel::kTickMs;
  }
  const auto armed = static_cast<uint64_t>(state.iterations()) * count;
  if (expired != armed) state.SkipWithError("a timer was lost");
  report_operations(state, armed);
}

}  // namespace

void register_timer_wheel_benches() {
  for (const uint32_t flows : flow_counts({1024, 65'536, 1'048'576})) {
    register_part({.name = "timer_rearm", .flows = flows}, [=](auto& state) { run_rearm(state, flows); });
    register_part({.name = "timer_expire", .flows = flows}, [=](auto& state) { run_expire(state, flows); });
  }
}

}  // namespace millrace::perf
