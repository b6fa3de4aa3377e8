// stage_watch_test.cpp: which turns are timed, and what their counters say.
#include "dataplane/stages/stage_watch.h"

#include <gtest/gtest.h>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

const StageCounters& of(const WorkerCounters& counters, Stage stage) {
  return counters.stages[static_cast<unsigned>(stage)];
}

uint64_t all_cycles(const WorkerCounters& counters) {
  uint64_t sum = 0;
  for (const StageCounters& stage : counters.stages) sum += stage.cycles.read();
  return sum;
}

TEST(StageWatch_record, counts_packets_by_who_sees_them) {
  WorkerCounters counters;
  StageWatch<true> watch;
  for (uint32_t i = 0; i < kStageCount; ++i) watch.ended(static_cast<Stage>(i));
  watch.record(counters, 5, 3);
  for (const Stage stage : {Stage::poll, Stage::transmit, Stage::house})
    EXPECT_EQ(of(counters, stage).packets.read(), 5u);
  for (const Stage stage : {Stage::parse, Stage::lookup, Stage::act, Stage::rewrite})
    EXPECT_EQ(of(counters, stage).packets.read(), 3u);
  for (uint32_t i = 0; i < kStageCount; ++i) EXPECT_GT(counters.stages[i].cycles.read(), 0u) << kStageNames[i];
}

TEST(StageWatch_record, a_turn_without_packets_leaves_no_trace) {
  WorkerCounters counters;
  StageWatch<true> watch;
  watch.ended(Stage::poll);
  watch.record(counters, 0, 0);
  EXPECT_EQ(all_cycles(counters), 0u);
}

TEST(worker_turn, times_one_turn_with_packets_in_251) {
  Testbed bed;
  const WorkerCounters& counters = bed.worker().counters;
  const wire::Bytes frame = from_client(udp_packet(flow("192.0.2.10", 1, "192.0.2.1", 53)));
  const auto turn = [&] {
    bed.send(kFront, frame);
    ASSERT_EQ(worker_turn(bed.worker()), 1u);
    EXPECT_EQ(worker_turn(bed.worker()), 0u) << "empty turns do not count";
  };
  for (unsigned i = 0; i < kTurnsPerTimed; ++i) turn();
  EXPECT_EQ(all_cycles(counters), 0u);
  turn();
  EXPECT_EQ(of(counters, Stage::poll).packets.read(), 1u);
  EXPECT_EQ(of(counters, Stage::act).packets.read(), 1u);
  for (unsigned i = 0; i < kTurnsPerTimed + 1; ++i) turn();
  EXPECT_EQ(of(counters, Stage::poll).packets.read(), 2u);
  EXPECT_GT(of(counters, Stage::parse).cycles.read(), 0u);
  EXPECT_LT(all_cycles(counters), counters.busy_cycles.read()) << "timed turns are part of all turns with packets";
}

TEST(worker_turn, what_comes_from_the_kernel_is_only_polled_and_sent) {
  TestbedOptions options;
  options.with_exception_port = true;
  Testbed bed(options);
  bed.worker().turns_to_timed = 0;
  bed.send_to_exception_port(
      wire::ether(kClientMac, kFrontMac, tcp_packet(flow("192.0.2.1", 22, "192.0.2.10", 5), kSynAck)));
  ASSERT_EQ(worker_turn(bed.worker()), 1u);
  const WorkerCounters& counters = bed.worker().counters;
  EXPECT_EQ(of(counters, Stage::poll).packets.read(), 1u);
  EXPECT_EQ(of(counters, Stage::transmit).packets.read(), 1u);
  EXPECT_EQ(of(counters, Stage::act).packets.read(), 0u);
  EXPECT_EQ(of(counters, Stage::act).cycles.read(), 0u);
  bed.run();
  EXPECT_EQ(bed.received(kFront).size(), 1u);
}

}  // namespace
}  // namespace millrace
