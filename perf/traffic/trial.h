// trial.h: what one measurement says.
#pragma once

#include <cstdint>
#include <string>

#include "perf/traffic/bench.h"

namespace millrace::traffic {

struct Latency {
  double p50_us = 0, p99_us = 0, p999_us = 0, max_us = 0;
};

struct ConnectionCounts {
  uint64_t started = 0;
  uint64_t completed = 0;
  uint64_t completed_in_time = 0;  // before the trial's end: the rate is made of these
  uint64_t failed = 0;             // not done within kLifeSeconds
  Latency life;                    // from SYN to the last ACK
};

struct Trial {
  double offered = 0;  // packets a second asked for, 0: as many as go
  double seconds = 0;
  uint64_t skipped = 0;  // not sent, because this program was late
  Tally tally;
  Latency latency;
  ConnectionCounts connections;  // of the mix connections

  double sent_rate() const { return seconds > 0 ? static_cast<double>(tally.sent) / seconds : 0; }
  double received_rate() const { return seconds > 0 ? static_cast<double>(tally.received) / seconds : 0; }
  // Of everything that wanted to go: what the device refused is lost as well.
  double loss() const;
};

Latency summarize(const LatencyHistogram& histogram, double tsc_hz);

// What a trial that ran from `start` to `end` (TSC) and has drained found.
Trial finish_trial(const Bench& bench, uint64_t start, uint64_t end, double offered, uint64_t skipped);

}  // namespace millrace::traffic
