// flow_log_test.cpp: what workers tell of connections that ended, as lines; what is left out is counted.
#include "controlplane/flow_log/flow_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "controlplane/link/monotonic.h"
#include "tests/unit/control/fake_dataplane.h"

namespace millrace::control {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kOpenedMs = 5'000;
constexpr ClockPair kNow{.monotonic_ms = 10'000, .unix_ms = 1'700'000'000'000};  // 2023-11-14T22:13:20Z

FlowRecord example() {
  return {.opened_ms = kOpenedMs,
          .last_packet_ms = kOpenedMs + 1'234,
          .told_ms = kOpenedMs + 4'000,
          .service = ServiceSlot{3},
          .backend = BackendSlot{9},
          .state = ConnState::time_wait,
          .family = Family::ipv4,
          .proto = Proto::tcp,
          .mode = Mode::fullnat,
          .vip_port = Be16::from_host(80),
          .client_port = Be16::from_host(40'000),
          .snat_port = Be16::from_host(1'024),
          .backend_port = Be16::from_host(8'080),
          .vip = *parse_ip("203.0.113.10"),
          .client = *parse_ip("192.0.2.1"),
          .snat = *parse_ip("10.0.0.2"),
          .backend_addr = *parse_ip("10.0.0.7")};
}

TEST(FlowLine, says_who_when_and_how) {
  EXPECT_EQ(flow_line(example(), "web", WorkerIndex{2}, kNow),
            R"({"start":"2023-11-14T22:13:15.000Z","duration_ms":1234,"end":"closed","service":"web","protocol":"tcp",)"
            R"("mode":"fullnat","client":"192.0.2.1:40000","vip":"203.0.113.10:80","snat":"10.0.0.2:1024",)"
            R"("backend":"10.0.0.7:8080","worker":2})");
}

TEST(FlowLine, leaves_out_what_there_is_not) {
  FlowRecord flow = example();
  flow.backend = kNoBackend;
  flow.snat_port = {};
  flow.spliced = 1;
  const json line = json::parse(flow_line(flow, "", WorkerIndex{0}, kNow));
  EXPECT_FALSE(line.contains("backend"));
  EXPECT_FALSE(line.contains("snat"));
  EXPECT_EQ(line["proxied"], true);
  EXPECT_EQ(line["service"], "");
}

TEST(FlowLine, times_are_right_over_the_wrap_of_the_clock) {
  FlowRecord flow = example();
  flow.opened_ms = UINT32_MAX - 999;
  flow.last_packet_ms = 500;
  const ClockPair now{.monotonic_ms = (uint64_t{3} << 32) + 1'500, .unix_ms = kNow.unix_ms};
  const json line = json::parse(flow_line(flow, "web", WorkerIndex{0}, now));
  EXPECT_EQ(line["duration_ms"], 1'500);
  EXPECT_EQ(line["start"], "2023-11-14T22:13:17.500Z");
}

TEST(FlowLine, how_it_ended) {
  const auto name = [](ConnState state, FlowEnd end = FlowEnd::timer, Proto proto = Proto::tcp,
                       Mode mode = Mode::fullnat) {
    FlowRecord flow = example();
    flow.state = state;
    flow.end = end;
    flow.proto = proto;
    flow.mode = mode;
    EXPECT_TRUE(is_valid_flow(flow));
    return std::string(flow_end_name(flow));
  };
  EXPECT_EQ(name(ConnState::time_wait), "closed");
  EXPECT_EQ(name(ConnState::client_fin), "half_closed");
  EXPECT_EQ(name(ConnState::backend_fin), "half_closed");
  EXPECT_EQ(name(ConnState::closed), "reset");
  EXPECT_EQ(name(ConnState::established), "idle");
  EXPECT_EQ(name(ConnState::syn_sent), "unanswered");
  EXPECT_EQ(name(ConnState::syn_sent, FlowEnd::timer, Proto::tcp, Mode::dsr), "idle");
  EXPECT_EQ(name(ConnState::syn_received), "unfinished");
  EXPECT_EQ(name(ConnState::connect), "unfinished");
  EXPECT_EQ(name(ConnState::open, FlowEnd::timer, Proto::udp), "idle");
  EXPECT_EQ(name(ConnState::closed, FlowEnd::timer, Proto::udp), "closed");
  EXPECT_EQ(name(ConnState::established, FlowEnd::evicted), "evicted");
  EXPECT_EQ(name(ConnState::established, FlowEnd::replaced), "replaced");
  EXPECT_EQ(name(ConnState::time_wait, FlowEnd::replaced), "closed");
}

TEST(FlowLine, what_no_worker_says) {
  ASSERT_TRUE(is_valid_flow(example()));
  const auto spoiled = [](auto&& spoil) {
    FlowRecord flow = example();
    spoil(flow);
    return !is_valid_flow(flow);
  };
  EXPECT_TRUE(spoiled([](FlowRecord& flow) { flow.state = ConnState::free; }));
  EXPECT_TRUE(spoiled([](FlowRecord& flow) { flow.state = static_cast<ConnState>(kConnStateCount); }));
  EXPECT_TRUE(spoiled([](FlowRecord& flow) { flow.end = static_cast<FlowEnd>(kFlowEndCount); }));
  EXPECT_TRUE(spoiled([](FlowRecord& flow) { flow.mode = static_cast<Mode>(6); }));
  EXPECT_TRUE(spoiled([](FlowRecord& flow) { flow.proto = static_cast<Proto>(1); }));
  EXPECT_TRUE(spoiled([](FlowRecord& flow) { flow.service = kNoService; }));
  EXPECT_TRUE(spoiled([](FlowRecord& flow) { flow.spliced = 2; }));
  EXPECT_TRUE(spoiled([](FlowRecord& flow) { flow.reserved[1] = 1; }));
}

class FlowLogTest : public testing::Test {
 protected:
  FlowLogTest() : fake(dir.path("segment"), 2, 1024), segment(join_segment(dir.path("segment")).segment) {
    fake.set_service(3, "web");
  }
  void configure(uint32_t rate = 1000) {
    std::string problem;
    EXPECT_TRUE(log.configure({.output = dir.path("flows.json"), .lines_a_second = rate}, problem)) << problem;
  }
  void drain(uint64_t now_ms) { log.drain(segment, {.monotonic_ms = now_ms, .unix_ms = kNow.unix_ms}); }
  // After what waits has been written.
  std::vector<json> lines() {
    std::string problem;
    EXPECT_TRUE(log.configure({}, problem));
    std::ifstream file(dir.path("flows.json"));
    std::vector<json> all;
    for (std::string line; std::getline(file, line);) all.push_back(json::parse(line));
    return all;
  }

  TempDir dir;
  FakeDataplane fake;
  std::shared_ptr<const Segment> segment;
  FlowLog log;
};

TEST_F(FlowLogTest, writes_what_every_worker_tells) {
  configure();
  ASSERT_TRUE(fake.flow_ring(0).try_send(example()));
  FlowRecord other = example();
  other.service = ServiceSlot{4};
  ASSERT_TRUE(fake.flow_ring(1).try_send(other));
  drain(20'000);
  drain(20'020);
  EXPECT_EQ(log.counts().written, 2u);
  const std::vector<json> all = lines();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["service"], "web");
  EXPECT_EQ(all[0]["worker"], 0);
  EXPECT_EQ(all[1]["service"], "") << "its slot has no name";
  EXPECT_EQ(all[1]["worker"], 1);
}

TEST_F(FlowLogTest, no_more_than_the_rate) {
  configure(10);
  const auto tell = [&](unsigned count) {
    for (unsigned i = 0; i < count; ++i) ASSERT_TRUE(fake.flow_ring(0).try_send(example()));
  };
  tell(100);
  drain(20'000);
  EXPECT_EQ(log.counts().written, 10u);
  EXPECT_EQ(log.counts().over_rate, 90u);
  tell(100);
  drain(20'300);
  EXPECT_EQ(log.counts().written, 13u) << "three tenths of a second later";
  EXPECT_EQ(lines().size(), 13u);
}

TEST_F(FlowLogTest, counts_what_cannot_be) {
  configure();
  FlowRecord bad = example();
  bad.state = ConnState::free;
  ASSERT_TRUE(fake.flow_ring(0).try_send(bad));
  drain(20'000);
  EXPECT_EQ(log.counts().malformed, 1u);
  EXPECT_EQ(lines().size(), 0u);
}

TEST_F(FlowLogTest, goes_on_in_a_new_file_when_it_is_opened_again) {
  configure();
  ASSERT_TRUE(fake.flow_ring(0).try_send(example()));
  drain(20'000);
  std::filesystem::rename(dir.path("flows.json"), dir.path("flows.json.1"));
  configure(500);
  EXPECT_FALSE(std::filesystem::exists(dir.path("flows.json"))) << "another rate is no other file";
  std::string problem;
  ASSERT_TRUE(log.reopen(problem)) << problem;
  FlowRecord second = example();
  second.client_port = Be16::from_host(40'001);
  ASSERT_TRUE(fake.flow_ring(0).try_send(second));
  drain(20'020);
  const std::vector<json> all = lines();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["client"], "192.0.2.1:40001");
  EXPECT_GT(std::filesystem::file_size(dir.path("flows.json.1")), 0u);
}

TEST_F(FlowLogTest, what_is_told_while_it_is_off_is_gone) {
  ASSERT_TRUE(fake.flow_ring(0).try_send(example()));
  drain(20'000);
  configure();
  drain(20'020);
  EXPECT_EQ(log.counts().written, 0u);
}

TEST_F(FlowLogTest, a_place_that_cannot_be_written) {
  std::string problem;
  EXPECT_FALSE(log.configure({.output = "/proc/none/flows.json"}, problem));
  EXPECT_THAT(problem, HasSubstr("[flow_log] output"));
  EXPECT_FALSE(log.is_on());
  drain(20'000);
}

TEST_F(FlowLogTest, a_full_disk_is_counted) {
  std::string problem;
  ASSERT_TRUE(log.configure({.output = "/dev/full"}, problem)) << problem;
  ASSERT_TRUE(fake.flow_ring(0).try_send(example()));
  drain(20'000);
  ASSERT_TRUE(log.configure({}, problem));
  EXPECT_GE(log.counts().lost, 1u);
}

TEST_F(FlowLogTest, another_dataplane_is_heard_from_its_beginning) {
  configure();
  drain(20'000);
  FakeDataplane next(dir.path("next"), 1, 1024);
  ASSERT_TRUE(next.flow_ring(0).try_send(example()));
  segment = join_segment(dir.path("next")).segment;
  drain(20'020);
  EXPECT_EQ(log.counts().written, 1u);
  segment.reset();
  drain(20'040);
}

}  // namespace
}  // namespace millrace::control
