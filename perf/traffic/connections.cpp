// connections.cpp: connections from SYN to the last ACK. As each packet is answered when it arrives, all state is one
// slot a connection.
#include <vector>

#include "perf/traffic/life.h"
#include "perf/traffic/mixes.h"
#include "perf/traffic/pacer.h"
#include "perf/traffic/realtime.h"

namespace millrace::traffic {
namespace {

constexpr double kLifeSeconds = 5;
constexpr unsigned kSlotsPerTurn = 16;  // looked at for connections that take too long

class Lives {
 public:
  Lives(Bench& bench, double rate)
      : bench_(bench),
        slots_(bench.options.in_flight),
        life_max_(static_cast<uint64_t>(kLifeSeconds * bench.tsc_hz)),
        client_count_(FlowSpace(bench.options.clients, bench.options.clients_bits, bench.options.seed).size()) {
    bench_.begin_trial();
    start_ = bench_.now();
    pacer_ = Pacer(rate, bench_.tsc_hz, start_);
    for (uint32_t slot = bench.options.in_flight; slot-- > 0;) free_.push_back(slot);
  }

  Trial run(double rate, double seconds) {
    const uint64_t end = start_ + static_cast<uint64_t>(seconds * bench_.tsc_hz);
    uint64_t tsc = start_;
    while (tsc < end && counts_.completed + counts_.failed < bench_.options.count &&
           !stop_wanted.load(std::memory_order_relaxed)) {
      start_some(tsc);
      turn();
      tsc = bench_.now();
    }
    const uint64_t completed = counts_.completed;
    while (bench_.draining() || (free_.size() < slots_.size() && bench_.now() - tsc < 2 * life_max_)) turn();
    Trial trial = finish_trial(bench_, start_, tsc, rate, pacer_.skipped());
    trial.connections = counts_;
    trial.connections.completed_in_time = completed;
    trial.connections.life = summarize(life_, bench_.tsc_hz);
    return trial;
  }

 private:
  struct Slot {
    uint32_t id = 0;
    bool used = false;
    uint64_t started = 0;
  };

  void start_some(uint64_t tsc) {
    for (unsigned due = pacer_.due(tsc, kBurst / 2); due != 0; --due) {
      if (free_.empty() || counts_.started == bench_.options.count) return;
      const uint32_t slot = free_.back();
      free_.pop_back();
      const auto id = static_cast<uint32_t>(counts_.started++ % client_count_);
      slots_[slot] = {.id = id, .used = true, .started = tsc};
      bench_.send_forward({.step = Step::syn, .id = id, .slot = slot, .stamp = tsc});
    }
  }

  void turn() {
    bench_.poll([this](const Arrival& arrival) { on_arrival(arrival); });
    bench_.flush();
    give_up_old();
  }

  void on_arrival(const Arrival& arrival) {
    const uint32_t slot = arrival.message.slot;
    if (slot >= slots_.size() || !slots_[slot].used || slots_[slot].id != arrival.message.id) return;
    const uint64_t tsc = bench_.now();
    if (arrival.message.step == Step::last_ack) {
      ++counts_.completed;
      life_.add(tsc - slots_[slot].started);
      return release(slot);
    }
    const Answers answers = answers_to(arrival.message.step);
    for (const Step step : {answers.first, answers.second}) {
      if (step == Step::none) break;
      Message message = arrival.message;
      message.step = step;
      message.stamp = tsc;
      if (arrival.to_backend)
        bench_.send_reverse(arrival.ends.src, arrival.backend, message);
      else
        bench_.send_forward(message);
    }
  }

  void release(uint32_t slot) {
    slots_[slot].used = false;
    free_.push_back(slot);
  }

  void give_up_old() {
    const uint64_t tsc = bench_.now();
    for (unsigned i = 0; i < kSlotsPerTurn; ++i) {
      next_look_ = next_look_ + 1 < slots_.size() ? next_look_ + 1 : 0;
      const Slot& slot = slots_[next_look_];
      if (!slot.used || tsc - std::min(tsc, slot.started) < life_max_) continue;
      ++counts_.failed;
      release(next_look_);
    }
  }

  Bench& bench_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  LatencyHistogram life_;
  ConnectionCounts counts_;
  Pacer pacer_{0, 1, 0};
  uint64_t start_ = 0;
  uint64_t life_max_;
  uint64_t client_count_;
  uint32_t next_look_ = 0;
};

}  // namespace

Trial run_connections(Bench& bench, double rate, double seconds) {
  const Realtime realtime(bench.options.realtime);
  return Lives(bench, rate).run(rate, seconds);
}

}  // namespace millrace::traffic
