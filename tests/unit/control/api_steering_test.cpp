// api_steering_test.cpp: what the API and millctl say of steering, from the segment's ports and counters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/api/views.h"
#include "tests/unit/control/api_client.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;

PortInfo& port_of(FakeDataplane& fake) { return fake.section<PortInfo>(SectionKind::ports)[0]; }
WorkerCounters& worker_of(FakeDataplane& fake, size_t worker) {
  return fake.section<WorkerCounters>(SectionKind::worker_counters)[worker];
}

void describe_port(FakeDataplane& fake) {
  PortInfo& port = port_of(fake);
  std::strcpy(port.name, "front");
  std::strcpy(port.device, "pci:0000:3b:00.0");
  port.queue_count = 4;
  port.worker_count = 2;
  port.steering = SteeringKind::rss;
  port.steering_reason = SteeringReason::settings_taken;
  port.reta_size = 128;
  port.rss_key_bytes = 40;
}

// So many packets more: worker 0 received them, and gave a quarter to worker 1.
void receive(FakeDataplane& fake, uint64_t packets) {
  worker_of(fake, 0).rx_packets.add(packets);
  worker_of(fake, 0).ports[0].rx_packets.add(packets);
  worker_of(fake, 0).ports[0].handed_over.add(packets / 4);
  worker_of(fake, 0).handed_out.add(packets / 4);
  worker_of(fake, 1).handed_in.add(packets / 4);
}

TEST_F(Api, steering_since_the_start) {
  EXPECT_EQ(get("/v1/steering").body["connected"], false);
  running.start_dataplane();
  running.with([&] {
    describe_port(*running.fake);
    receive(*running.fake, 1000);
  });
  const Json body = get("/v1/steering").body;
  ASSERT_EQ(body["ports"].size(), 1u);
  const Json& port = body["ports"][0];
  EXPECT_EQ(port["port"], "front");
  EXPECT_EQ(port["device"], "pci:0000:3b:00.0");
  EXPECT_EQ(port["steering"], "rss");
  EXPECT_EQ(port["reason"], "settings_taken");
  EXPECT_EQ(port["sentence"], "the NIC took our key and our table");
  EXPECT_EQ(port["queues"], 4);
  EXPECT_EQ(port["workers_with_queue"], 2);
  EXPECT_EQ(port["rss_key_bytes"], 40);
  EXPECT_EQ(port["reta_size"], 128);
  EXPECT_EQ(port["rx_packets"], 1000);
  EXPECT_EQ(port["handed_over"], 250);
  EXPECT_DOUBLE_EQ(port["handed_over_share"], 0.25);
}

TEST_F(Api, steering_of_a_silent_port) {
  running.start_dataplane();
  running.with([&] { describe_port(*running.fake); });
  const Json body = get("/v1/steering").body;
  EXPECT_TRUE(body["ports"][0]["handed_over_share"].is_null());
  EXPECT_TRUE(body["skew"].is_null());
}

TEST_F(Api, steering_of_the_last_second) {
  running.start_dataplane();
  running.with([&] { describe_port(*running.fake); });
  Json body;
  // The sampler takes a reading a second; until one has both ends of a growth there is no rate.
  const bool seen = running.until([&] {
    receive(*running.fake, 4000);
    body = Json::parse(steering_view(*running.daemon).dump());
    return !body["skew"].is_null();
  });
  ASSERT_TRUE(seen);
  const Json& now = body["ports"][0]["now"];
  EXPECT_GT(now["rx_packets_per_s"], 0);
  EXPECT_DOUBLE_EQ(now["handed_over_share"], 0.25);
  ASSERT_EQ(body["workers"].size(), 2u);
  const double sent_on = body["workers"][0]["load_packets_per_s"],
               taken_over = body["workers"][1]["load_packets_per_s"];
  EXPECT_NEAR(sent_on / taken_over, 3, 1e-6);
  EXPECT_NEAR(body["skew"].get<double>(), 1.5, 1e-6) << "the busiest has 3 of 4 packets, the mean is 2";
}

TEST_F(Api, steering_that_cannot_be) {
  running.start_dataplane();
  running.with([&] {
    describe_port(*running.fake);
    port_of(*running.fake).steering = SteeringKind{kSteeringKindCount};
    std::memset(port_of(*running.fake).device, 'x', kNameBytes);
  });
  const Json port = get("/v1/steering").body["ports"][0];
  EXPECT_EQ(port["port"], "");
  EXPECT_EQ(port["device"], "");
  EXPECT_EQ(port["steering"], "none");
  EXPECT_EQ(get("/v1/steering?port=front").status, 400);
}

}  // namespace
}  // namespace millrace::control
