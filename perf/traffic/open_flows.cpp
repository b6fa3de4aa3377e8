// open_flows.cpp: the handshake of every flow (TCP), or a datagram and its answer (UDP), at a bounded rate.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "perf/traffic/life.h"
#include "perf/traffic/mixes.h"
#include "perf/traffic/pacer.h"

namespace millrace::traffic {
namespace {

constexpr unsigned kOpenPasses = 5;  // what was lost is sent again
constexpr double kProgressSeconds = 1;

class Opening {
 public:
  explicit Opening(Bench& bench)
      : bench_(bench), first_(bench.options.proto == Proto::tcp ? Step::syn : Step::request) {}

  // Every flow that is not open yet, in order of its id; their tuples have none.
  void pass() {
    bench_.begin_trial();
    const auto count = static_cast<uint32_t>(bench_.flows.size());
    uint64_t tsc = bench_.now();
    Pacer pacer(bench_.options.open_rate, bench_.tsc_hz, tsc);
    for (uint32_t id = 0; id < count && !stop_wanted.load(std::memory_order_relaxed); tsc = bench_.now()) {
      for (unsigned due = pacer.due(tsc, kBurst / 2); due != 0 && id < count; ++id) {
        if (bench_.flows[id].open) continue;
        bench_.send_forward({.step = first_, .id = id, .stamp = tsc});
        --due;
      }
      turn();
      show_progress(tsc);
    }
    while (bench_.draining()) turn();
  }

  uint32_t open_count() const { return open_count_; }

 private:
  void turn() {
    bench_.poll([this](const Arrival& arrival) { on_arrival(arrival); });
    bench_.flush();
  }

  void on_arrival(const Arrival& arrival) {
    const uint32_t id = arrival.message.id;
    Flow& flow = bench_.flows[id];
    const uint64_t stamp = bench_.now();
    switch (arrival.message.step) {
      case Step::syn:
      case Step::request:
        flow.snat = arrival.ends.src;
        flow.backend = static_cast<uint8_t>(arrival.backend);
        return bench_.send_reverse(flow.snat, flow.backend,
                                   {.step = answers_to(arrival.message.step).first, .id = id, .stamp = stamp});
      case Step::syn_ack:
        return bench_.send_forward({.step = Step::handshake_ack, .id = id, .stamp = stamp});
      case Step::handshake_ack:
      case Step::response:
        open_count_ += !flow.open;
        flow.open = true;
        return;
      default:
        return;
    }
  }

  void show_progress(uint64_t tsc) {
    if (shown_ == 0) shown_ = tsc;
    if (static_cast<double>(tsc - shown_) < kProgressSeconds * bench_.tsc_hz) return;
    shown_ = tsc;
    fmt::print(stderr, "opening flows: {} of {}\n", open_count_, bench_.flows.size());
  }

  Bench& bench_;
  Step first_;
  uint32_t open_count_ = 0;
  uint64_t shown_ = 0;
};

}  // namespace

double open_flows(Bench& bench) {
  const uint64_t start = rte_rdtsc();
  Opening opening(bench);
  const auto wanted = static_cast<uint32_t>(bench.flows.size());
  for (unsigned i = 0; i < kOpenPasses && opening.open_count() < wanted; ++i) {
    if (stop_wanted.load(std::memory_order_relaxed)) throw std::runtime_error("interrupted while flows were opened");
    opening.pass();
  }
  if (opening.open_count() < wanted) {
    const Tally tally = bench.tally();
    std::string seen;
    for (unsigned i = 0; i < kFaultCount; ++i)
      if (tally.faults[i] != 0) seen += fmt::format(", {} {}", tally.faults[i], kFaultNames[i]);
    throw std::runtime_error(
        fmt::format("only {} of {} flows opened after {} passes; the last one sent {}, got {}, refused {}{}. Does the "
                    "balancer serve {}? "
                    "See 'millctl drops', 'millctl backends', and its slab, SNAT pool and timeouts",
                    opening.open_count(), wanted, kOpenPasses, tally.sent, tally.received, tally.refused, seen,
                    format_endpoint(bench.options.vip)));
  }
  return static_cast<double>(rte_rdtsc() - start) / bench.tsc_hz;
}

}  // namespace millrace::traffic
