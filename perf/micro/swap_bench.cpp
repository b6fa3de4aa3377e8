// swap_bench.cpp: established traffic while another thread builds and publishes configurations of 10,000 services, each
// with other weights than before, so that every table is built anew. What the worker pays: a pointer that changes, and
// caches and memory that the builder shares with it. Beside it the same traffic without a swap ("ns_per_packet_quiet"),
// and how long one configuration takes from being known to being used ("swap_ms").

#include <pthread.h>
#include <rte_rcu_qsbr.h>
#include <sched.h>

#include <atomic>
#include <exception>
#include <thread>

#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/configuration.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"

namespace millrace::perf {
namespace {

// The main lcore of the dataplane: on every CPU but the worker's. Applies a generation when asked.
class MainThread {
 public:
  MainThread(Bed& bed, const BedOptions& options, const cpu_set_t& cpus)
      : bed_(bed), options_(options), thread_([this] { run(); }) {
    // From here: under a real-time policy it would not get our CPU to do so itself.
    pthread_setaffinity_np(thread_.native_handle(), sizeof cpus, &cpus);
  }
  ~MainThread() {
    ask(kStop);
    thread_.join();
  }

  void apply() { ask(++generation_); }
  bool done() const { return answered_.load(std::memory_order_acquire) == generation_; }
  void check() const {
    if (!refusal_.empty()) wrong("a configuration was refused: " + refusal_);
  }
  const std::vector<double>& seconds() const { return seconds_; }  // while done()

 private:
  static constexpr Generation kStop = UINT32_MAX;

  void ask(Generation generation) {
    asked_.store(generation, std::memory_order_release);
    asked_.notify_one();
  }
  void run() {
    for (Generation last = 1;;) {
      asked_.wait(last, std::memory_order_acquire);
      last = asked_.load(std::memory_order_acquire);
      if (last == kStop) return;
      publish(last);
      answered_.store(last, std::memory_order_release);
    }
  }
  void publish(Generation generation) {
    DesiredModel model = configuration(options_, bed_.plan(), generation);
    const double begin = cpu_seconds();
    if (bed_.publisher().apply(std::move(model)) != RejectReason::none)
      refusal_ = "generation " + std::to_string(generation) + " " + bed_.publisher().last_error();
    seconds_.push_back(cpu_seconds() - begin);
    bed_.publisher().collect();
  }

  Bed& bed_;
  BedOptions options_;
  std::atomic<Generation> asked_{1}, answered_{1};
  Generation generation_ = 1;
  std::string refusal_;
  std::vector<double> seconds_;
  std::thread thread_;
};

// As worker_run has it, whose old tables are freed only behind a quiescent state.
Slice quiescent_turns(Bed& bed) {
  Slice slice;
  slice.seconds = seconds_of([&] {
    for (unsigned turn = 0; turn < kTurnsPerSlice; ++turn) {
      slice.units += worker_turn(bed.worker());
      rte_rcu_qsbr_quiescent(bed.state().qsbr, 0);
    }
  });
  return slice;
}

Report run_swap(const BedOptions& options) {
  cpu_set_t mine, others;
  sched_getaffinity(0, sizeof mine, &mine);
  CPU_XOR(&others, &allowed_cpus(), &mine);
  if (CPU_COUNT(&others) == 0) throw Skipped{"a second CPU is wanted"};
  Bed& bed = bed_for(options);
  rte_rcu_qsbr_thread_register(bed.state().qsbr, 0);
  rte_rcu_qsbr_thread_online(bed.state().qsbr, 0);
  memory_port().queue(0).play(endless(bed.traffic()));
  Macswap macswap(bed.traffic());
  MainThread main_thread(bed, options, others);
  std::vector<double> quiet_ns;
  Report report;
  report.samples = measure(macswap, [&] {
    Slice quiet;
    for (unsigned i = 0; i < 8; ++i) {
      const Slice part = quiescent_turns(bed);
      quiet.seconds += part.seconds;
      quiet.units += part.units;
    }
    quiet_ns.push_back(quiet.seconds * 1e9 / static_cast<double>(quiet.units));
    Slice swapping;
    main_thread.apply();
    while (!main_thread.done() || swapping.units == 0) {
      const Slice part = quiescent_turns(bed);
      swapping.seconds += part.seconds;
      swapping.units += part.units;
      macswap.slice();
    }
    main_thread.check();
    return swapping;
  });
  rte_rcu_qsbr_thread_offline(bed.state().qsbr, 0);
  rte_rcu_qsbr_thread_unregister(bed.state().qsbr, 0);
  bed.no_announcements();
  bed.check_traffic();
  report.extras = {{"services", options.services},
                   {"ns_per_packet_quiet", median(quiet_ns)},
                   {"swap_ms", median(main_thread.seconds()) * 1000}};
  return report;
}

}  // namespace

void register_swap_benches() {
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const uint32_t flows : flow_counts({1024, 65'536})) {
      const BedOptions options{.mode = Mode::fullnat,
                               .proto = Proto::udp,
                               .family = family,
                               .flows = flows,
                               .room = usual_room(flows),
                               .services = effort() == Effort::smoke ? 100u : 10'000u};
      register_path(facts_of("swap", options), [options] { return run_swap(options); });
    }
}

}  // namespace millrace::perf
