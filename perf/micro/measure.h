// measure.h: a path in slices of about a millisecond, in turns with swapping MACs on the same port, repeated.
#pragma once

#include <cstdint>
#include <ctime>
#include <vector>

#include "dataplane/worker.h"
#include "perf/micro/memory_port.h"
#include "perf/micro/results.h"

namespace millrace::perf {

// How much is run; set once by main().
enum class Effort : uint8_t {
  smoke,  // everything once, on ordinary memory: do the benchmarks themselves work?
  quick,
  full,
};
Effort effort();
unsigned repetitions();
// What one repetition takes at least, of the path alone.
double seconds_per_repetition();
// Of flow counts, those that `effort()` has time for.
std::vector<uint32_t> flow_counts(std::initializer_list<uint32_t> wanted);

// CPU time of this thread: what other processes take in between does not count.
inline double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <typename Work>
double seconds_of(Work&& work) {
  const double begin = cpu_seconds();
  work();
  return cpu_seconds() - begin;
}

inline constexpr unsigned kTurnsPerSlice = 256;

// Receives and sends by queue 0, without a worker; swaps the MACs in between if wanted. Returns the packets.
uint64_t io_turns(bool swap, unsigned turns = kTurnsPerSlice);

// The other side of every comparison: what a slice costs that only swaps MACs, over a deck of its own pace.
class Macswap {
 public:
  explicit Macswap(const FrameDeck& deck);
  // Measures a slice; what queue 0 played before goes on afterwards.
  void slice();
  // ns a packet since the last call.
  double take_ns();

 private:
  Play play_;
  double seconds_ = 0;
  uint64_t packets_ = 0;
};

// `slice` does some work of the path and returns {CPU seconds, units}. `seconds`: of a repetition, for what is only a
// part of its work.
struct Slice {
  double seconds = 0;
  uint64_t units = 0;
};
// Of a worker with its queues: a unit is a packet that it took.
Slice worker_slice(Worker& worker, unsigned turns = kTurnsPerSlice);

template <typename Work>
std::vector<Sample> measure(Macswap& macswap, Work&& slice, double seconds = seconds_per_repetition()) {
  std::vector<Sample> samples;
  for (unsigned repetition = 0; repetition < repetitions(); ++repetition) {
    Slice sum;
    while (sum.units == 0 || sum.seconds < seconds) {
      const Slice part = slice();
      sum.seconds += part.seconds;
      sum.units += part.units;
      macswap.slice();
    }
    const double ns = sum.seconds * 1e9 / static_cast<double>(sum.units);
    samples.push_back({ns, ns / macswap.take_ns()});
  }
  return samples;
}

}  // namespace millrace::perf
