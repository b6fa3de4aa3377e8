// calls_test.cpp: how many calls a full burst of established packets makes out of line, each counted as the release
// build executes it. Inlined code costs none; what is called once a packet shows as 64.
#include <gtest/gtest.h>
#include <rte_cycles.h>

#include <cstdio>
#include <vector>

#include "tests/hot_loop/call_trace.h"
#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::Bytes;

struct BurstCase {
  const char* name;
  FamilyCase family;
  Proto proto;
  unsigned calls_per_packet;
};
// The numbers that docs/testing.md speaks of: what was measured and no more. Whoever adds a call says so here, whoever
// removes one lowers them.
constexpr BurstCase kCases[] = {
    {"udp4", kIpv4Case, Proto::udp, 1},
    {"tcp4", kIpv4Case, Proto::tcp, 1},
    {"udp6", kIpv6Case, Proto::udp, 1},
    {"tcp6", kIpv6Case, Proto::tcp, 1},
};
constexpr unsigned kCallsPerBurst = 16;  // the stages, DPDK's bulk calls, the port's own functions

class EstablishedBurst : public testing::TestWithParam<BurstCase> {
 protected:
  EstablishedBurst() : bed_(options()) { open(); }

  TestbedOptions options() const {
    TestbedOptions options;
    options.services[0].proto = GetParam().proto;
    return options;
  }
  Bytes packet(const wire::Flow& flow, uint8_t flags) const {
    return GetParam().proto == Proto::tcp ? tcp_packet(flow, flags) : udp_packet(flow);
  }
  void send(PortIndex port, const std::vector<wire::Flow>& flows, uint8_t flags) {
    for (const wire::Flow& flow : flows)
      bed_.send(port, port == kFront ? from_client(packet(flow, flags)) : from_backend(packet(flow, flags)));
  }
  // kBurstMax connections, both handshakes done; then each direction twice, so that everything is warm and bound. Time
  // passes: a backend's first answer, which arms a timer, is over.
  void open() {
    for (unsigned i = 0; i < kBurstMax; ++i)
      clients_.push_back(flow(GetParam().family.client, static_cast<uint16_t>(40'000 + i), GetParam().family.vip, 80));
    send(kFront, clients_, kSyn);
    bed_.run();
    for (const Bytes& frame : bed_.received(kBack)) {
      const Seen at = seen(frame);
      backends_.push_back({at.dst, at.src, at.dst_port, at.src_port});
    }
    ASSERT_EQ(backends_.size(), kBurstMax);
    send(kBack, backends_, kSynAck);
    bed_.run();
    for (int i = 0; i < 2; ++i) {
      send(kFront, clients_, kAck);
      bed_.run();
      send(kBack, backends_, kAck);
      bed_.run();
      bed_.pass(5);
    }
    bed_.received(kFront);
    bed_.received(kBack);
  }

  // One turn over the packets of `port`, traced.
  CallCounts trace_turn(PortIndex in, PortIndex out) {
    send(in, in == kFront ? clients_ : backends_, kAck);
    Worker& worker = bed_.worker();
    worker.source_next = raw(in);
    worker.turns_to_timed = kTurnsPerTimed;
    // Of a clock so slow, no turn begins a new millisecond or anchors it: those are not what is counted here.
    worker.clock = WorkerClock(uint64_t{1} << 60, rte_rdtsc(), worker.clock.now_ms());
    worker.clock.advance(rte_rdtsc());
    unsigned taken = 0;
    const CallCounts counts = trace_calls([&] { taken = worker_turn(worker); });
    EXPECT_EQ(taken, kBurstMax);
    EXPECT_EQ(bed_.received(out).size(), kBurstMax);
    return counts;
  }

  Testbed bed_;
  std::vector<wire::Flow> clients_, backends_;
};

TEST_P(EstablishedBurst, makes_few_calls) {
  for (const PortIndex in : {kFront, kBack}) {
    const CallCounts counts = trace_turn(in, in == kFront ? kBack : kFront);
    std::printf("%s, %u packets %s: %lu calls, %lu instructions\n", GetParam().name, kBurstMax,
                in == kFront ? "to backends" : "to clients", counts.calls, counts.instructions);
    EXPECT_LE(counts.calls, kBurstMax * GetParam().calls_per_packet + kCallsPerBurst) << counts.text();
    EXPECT_EQ(counts.locked, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(, EstablishedBurst, testing::ValuesIn(kCases),
                         [](const auto& chosen) { return std::string(chosen.param.name); });

}  // namespace
}  // namespace millrace
