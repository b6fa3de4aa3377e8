// bench.h: what all mixes share: the wires, the flows, and the counting of one trial.
// A frame counts as sent when the device took it, as received when it came back during the same trial and was right.
//   sent = received + lost + faulty
// Thread: one.
// Memory: 32 B a flow, in huge pages.
#pragma once

#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <rte_rcu_qsbr.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "perf/traffic/flow_space.h"
#include "perf/traffic/frame_reader.h"
#include "perf/traffic/frame_writer.h"
#include "perf/traffic/latency_histogram.h"
#include "perf/traffic/options.h"
#include "perf/traffic/wire.h"

namespace millrace::traffic {

// What the balancer made of a flow, learned from its first packet at a backend.
struct alignas(32) Flow {
  Endpoint snat;
  uint8_t backend = 0;
  bool open = false;
};
static_assert(sizeof(Flow) == 32);

struct Tally {
  uint64_t sent = 0;
  uint64_t refused = 0;
  uint64_t received = 0;
  uint64_t foreign = 0;
  uint64_t late = 0;  // of the trial before
  std::array<uint64_t, kFaultCount> faults{};
  uint64_t stalls = 0;  // pauses of this program above kStallUs: the machine was doing something else
  uint64_t stall_cycles = 0;

  uint64_t faulty() const;
  uint64_t lost() const { return sent - std::min(sent, received + faulty()); }
};

class Bench {
 public:
  Bench(const Options& asked, Wires& wires);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void begin_trial();
  // To be called until it is false: every frame has come back, or has had the time to.
  bool draining();
  Tally tally() const;
  // Cycles from the making of a frame to its arrival.
  const LatencyHistogram& latency() const { return latency_; }

  uint64_t now();  // the TSC; counts stalls
  void send_forward(const Message& message);
  void send_reverse(const Endpoint& snat, unsigned backend, const Message& message);
  void flush();
  // on_arrival(const Arrival&) for each frame that is right.
  template <typename OnArrival>
  void poll(OnArrival&& on_arrival);

  uint32_t random_below(uint32_t bound);

  const Options& options;
  const double tsc_hz;
  std::span<Flow> flows;

 private:
  Fault judge(const rte_mbuf* mbuf, const MacAddr& mac, Arrival& arrival);
  bool count(Fault fault, const Arrival& arrival, uint64_t tsc);
  void send(Wire& wire, const FrameWriter& writer, const Ends& ends, const Message& message);

  struct FreeQsbr {
    void operator()(rte_rcu_qsbr* qsbr) const;
  };

  void end_turn();

  Wires& wires_;
  std::unique_ptr<rte_rcu_qsbr, FreeQsbr> qsbr_;  // a far end that goes away mid-burst: dataplane/ports/unmap_grace.h
  uint32_t turns_ = 0;
  FlowSpace clients_;
  FrameReader reader_;
  FrameWriter forward_writer_;
  FrameWriter reverse_writer_;
  LatencyHistogram latency_;
  Tally tally_;
  uint64_t sent_before_ = 0;
  uint64_t refused_before_ = 0;
  uint64_t began_ = 0;  // stamps of before are of another trial
  uint64_t last_tsc_ = 0;
  uint64_t last_arrival_ = 0;
  uint64_t drain_began_ = 0;
  uint64_t stall_min_;
  uint64_t random_;
  unsigned size_next_ = 0;
  unsigned verify_next_ = 0;
};

template <typename OnArrival>
void Bench::poll(OnArrival&& on_arrival) {
  rte_mbuf* mbufs[kBurst];
  for (Wire& wire : wires_.all()) {
    const unsigned count_received = wire.receive(mbufs);
    if (count_received == 0) continue;
    const uint64_t tsc = now();
    last_arrival_ = tsc;
    for (unsigned i = 0; i < count_received; ++i) rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], const void*));
    for (unsigned i = 0; i < count_received; ++i) {
      Arrival arrival;
      const Fault fault = judge(mbufs[i], wire.mac(), arrival);
      if (count(fault, arrival, tsc)) on_arrival(static_cast<const Arrival&>(arrival));
    }
    rte_pktmbuf_free_bulk(mbufs, count_received);
  }
  end_turn();
}

}  // namespace millrace::traffic
