// api_stages_test.cpp: what the API says of the workers' timed turns, since the start and over an interval.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "tests/unit/control/api_client.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;

// Worker 1 timed 10 packets, 3 of them only on their way to the kernel.
void time_stages(FakeDataplane& fake, uint64_t cycles) {
  WorkerCounters& worker = fake.section<WorkerCounters>(SectionKind::worker_counters)[1];
  for (const auto& [stage, packets] : {std::pair{Stage::poll, 10}, {Stage::lookup, 7}, {Stage::transmit, 10}}) {
    worker.stages[static_cast<size_t>(stage)].cycles.add(cycles);
    worker.stages[static_cast<size_t>(stage)].packets.add(static_cast<uint64_t>(packets));
  }
}

TEST_F(Api, stages_since_the_start) {
  EXPECT_EQ(get("/v1/stages").body["connected"], false);
  running.start_dataplane();
  running.with([&] { time_stages(*running.fake, 1400); });
  const Json body = get("/v1/stages").body;
  EXPECT_EQ(body["connected"], true);
  EXPECT_EQ(body["tsc_hz"], 2'000'000'000u);
  EXPECT_FALSE(body.contains("interval_s"));
  ASSERT_EQ(body["workers"].size(), 2u);
  const Json& worker = body["workers"][1];
  EXPECT_EQ(worker["packets"], 10);
  EXPECT_DOUBLE_EQ(worker["cycles_per_packet"], 420);
  EXPECT_DOUBLE_EQ(worker["ns_per_packet"], 210);
  ASSERT_EQ(worker["stages"].size(), kStageCount);
  const Json& lookup = worker["stages"][static_cast<size_t>(Stage::lookup)];
  EXPECT_EQ(lookup["stage"], "lookup");
  EXPECT_EQ(lookup["packets"], 7);
  EXPECT_DOUBLE_EQ(lookup["cycles_per_packet"], 200);
  EXPECT_DOUBLE_EQ(lookup["ns_per_packet"], 100);
  EXPECT_NEAR(lookup["share"], 1.0 / 3, 1e-9);
  EXPECT_TRUE(worker["stages"][static_cast<size_t>(Stage::parse)]["cycles_per_packet"].is_null());
  EXPECT_TRUE(body["workers"][0]["cycles_per_packet"].is_null()) << "nothing was timed";
  EXPECT_EQ(get("/v1/stages?worker=1").body["workers"], Json::array({worker}));
}

TEST_F(Api, stages_of_an_interval) {
  running.start_dataplane();
  running.with([&] { time_stages(*running.fake, 1400); });
  auto reply = std::async(std::launch::async, [&] { return get("/v1/stages?worker=1&interval_s=1"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  running.with([&] { time_stages(*running.fake, 140); });
  const Json body = reply.get().body;
  EXPECT_EQ(body["interval_s"], 1);
  EXPECT_EQ(body["workers"][0]["worker"], 1);
  EXPECT_EQ(body["workers"][0]["packets"], 10);
  EXPECT_DOUBLE_EQ(body["workers"][0]["cycles_per_packet"], 42) << "only what came within it";

  reply = std::async(std::launch::async, [&] { return get("/v1/stages?interval_s=1"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  running.with([&] { running.fake.reset(); });
  EXPECT_EQ(reply.get().status, 409);
}

TEST_F(Api, stages_that_cannot_be) {
  running.start_dataplane();
  for (const char* query :
       {"worker=x", "worker=-1", "worker=65", "interval_s=0", "interval_s=61", "interval_s=", "w=1"})
    EXPECT_EQ(get(std::string("/v1/stages?") + query).status, 400) << query;
  const Reply unknown = get("/v1/stages?worker=2");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body["remedy"], "workers: 0 to 1");
}

}  // namespace
}  // namespace millrace::control
