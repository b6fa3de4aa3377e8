// flow_log_test.cpp: what workers tell of connections that end, and that nobody hears of them unasked.
#include "dataplane/stages/flow_log.h"

#include <gtest/gtest.h>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

constexpr uint32_t kEntries = 16;

class FlowLog : public testing::TestWithParam<FamilyCase> {
 protected:
  FlowLog() : bed_(options()) {
    settings_.flow_log = 1;
    bed_.tell(settings_);
  }
  static TestbedOptions options() {
    TestbedOptions options;
    options.connections = kEntries;
    return options;
  }
  wire::Flow client(uint16_t port) const { return flow(GetParam().client, port, GetParam().vip, 80); }
  void client_says(uint16_t port, uint8_t flags) {
    bed_.forwarded(kFront, from_client(tcp_packet(client(port), flags)), kBack);
  }
  void backend_says(const wire::Flow& answer, uint8_t flags) {
    bed_.forwarded(kBack, from_backend(tcp_packet(answer, flags)), kFront);
  }
  wire::Flow establish(uint16_t port) {
    const wire::Flow answer = answer_to(bed_.forwarded(kFront, from_client(tcp_packet(client(port), kSyn)), kBack));
    backend_says(answer, kSynAck);
    client_says(port, kAck);
    return answer;
  }
  FlowRecord only_flow() {
    const std::vector<FlowRecord> flows = bed_.flows();
    EXPECT_EQ(flows.size(), 1u);
    return flows.empty() ? FlowRecord{} : flows.front();
  }

  Testbed bed_;
  SettingsCommand settings_;
};

TEST_P(FlowLog, a_reset_connection_is_told_whole) {
  const wire::Flow answer = establish(7);
  bed_.pass(3'000);
  backend_says(answer, kRstAck);
  EXPECT_TRUE(bed_.flows().empty()) << "it lingers for what comes late";
  bed_.pass(settings_.closed_timeout_ms + 500);
  const FlowRecord told = only_flow();
  EXPECT_EQ(told.end, FlowEnd::timer);
  EXPECT_EQ(told.state, ConnState::closed);
  EXPECT_EQ(told.proto, Proto::tcp);
  EXPECT_EQ(told.mode, Mode::fullnat);
  EXPECT_EQ(told.service, ServiceSlot{0});
  EXPECT_NE(told.backend, kNoBackend);
  EXPECT_EQ(told.client, wire::addr(GetParam().client));
  EXPECT_EQ(told.client_port, Be16::from_host(7));
  EXPECT_EQ(told.vip, wire::addr(GetParam().vip));
  EXPECT_EQ(told.vip_port, Be16::from_host(80));
  EXPECT_EQ(told.backend_addr, answer.src);
  EXPECT_EQ(told.backend_port.host(), answer.src_port);
  EXPECT_EQ(told.snat, answer.dst);
  EXPECT_EQ(told.snat_port.host(), answer.dst_port);
  EXPECT_NEAR(told.last_packet_ms - told.opened_ms, 3'000, 100);
  EXPECT_GE(told.told_ms - told.last_packet_ms, settings_.closed_timeout_ms);
}

TEST_P(FlowLog, an_idle_connection_ends_as_what_it_was) {
  establish(7);
  bed_.pass(3 * 3'600'000);
  const FlowRecord told = only_flow();
  EXPECT_EQ(told.state, ConnState::established);
  EXPECT_EQ(told.end, FlowEnd::timer);
}

TEST_P(FlowLog, who_made_room_says_so) {
  for (uint16_t port = 1; port <= kEntries; ++port) client_says(port, kSyn);
  bed_.pass(2'000);
  client_says(100, kSyn);
  const FlowRecord told = only_flow();
  EXPECT_EQ(told.end, FlowEnd::evicted);
  EXPECT_EQ(told.state, ConnState::syn_sent);
}

TEST_P(FlowLog, nobody_hears_unasked) {
  settings_.flow_log = 0;
  bed_.tell(settings_);
  const wire::Flow answer = establish(7);
  backend_says(answer, kRstAck);
  bed_.pass(settings_.closed_timeout_ms + 500);
  EXPECT_EQ(bed_.only_connection(), nullptr);
  EXPECT_TRUE(bed_.flows().empty());
  EXPECT_EQ(bed_.total(&WorkerCounters::flows_unlogged), 0u);
}

TEST_P(FlowLog, a_full_ring_loses_and_counts) {
  FlowRing& ring = *bed_.worker().flow_ring;
  while (ring.try_send(FlowRecord{})) {
  }
  const wire::Flow answer = establish(7);
  backend_says(answer, kRstAck);
  bed_.pass(settings_.closed_timeout_ms + 500);
  EXPECT_EQ(bed_.total(&WorkerCounters::flows_unlogged), 1u);
  EXPECT_EQ(bed_.flows().size(), kFlowRingSlots);
}

INSTANTIATE_TEST_SUITE_P(, FlowLog, testing::Values(kIpv4Case, kIpv6Case),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace millrace
