// rewrite_test.cpp: whole connections through a worker: what each end sees, both modes, both families.
#include <gtest/gtest.h>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

struct ModeCase {
  Mode mode;
  FamilyCase family;
};

class Rewrite : public testing::TestWithParam<ModeCase> {
 protected:
  TestbedOptions options(Proto proto) const {
    TestbedOptions options;
    options.services = {TestService{.mode = GetParam().mode, .proto = proto}};
    return options;
  }
  wire::Flow client_flow(uint16_t port = 40'000) const { return flow(ends.client, port, ends.vip, 80); }
  // The backend's answer to what it saw.
  wire::Flow answer_flow(const Seen& at_backend) const {
    return {at_backend.dst, at_backend.src, at_backend.dst_port, at_backend.src_port};
  }
  void expect_at_backend(const Seen& seen_there) const {
    EXPECT_EQ(seen_there.dst_mac, kBackendMac);
    EXPECT_EQ(seen_there.src_mac, kBackMac);
    EXPECT_EQ(seen_there.dst, addr(ends.backend));
    EXPECT_EQ(seen_there.dst_port, 8080);
    EXPECT_EQ(seen_there.ttl, 63);
    if (GetParam().mode == Mode::nat) {
      EXPECT_EQ(seen_there.src, addr(ends.client));
      EXPECT_EQ(seen_there.src_port, 40'000);
    } else {
      EXPECT_EQ(seen_there.src, addr(ends.snat));
      EXPECT_GE(seen_there.src_port, 10'000);
      EXPECT_LE(seen_there.src_port, 19'999);
    }
  }
  void expect_at_client(const Seen& seen_there) const {
    EXPECT_EQ(seen_there.dst_mac, kClientMac);
    EXPECT_EQ(seen_there.src_mac, kFrontMac);
    EXPECT_EQ(seen_there.src, addr(ends.vip));
    EXPECT_EQ(seen_there.src_port, 80);
    EXPECT_EQ(seen_there.dst, addr(ends.client));
    EXPECT_EQ(seen_there.dst_port, 40'000);
    EXPECT_EQ(seen_there.ttl, 63);
  }

  const FamilyCase ends = GetParam().family;
};

TEST_P(Rewrite, tcp_from_syn_to_time_wait) {
  Testbed bed(options(Proto::tcp));
  const Seen syn = seen(bed.forwarded(kFront, from_client(tcp_packet(client_flow(), kSyn)), kBack));
  expect_at_backend(syn);
  ASSERT_NE(bed.only_connection(), nullptr);
  const ConnEntry& entry = *bed.only_connection();
  EXPECT_EQ(entry.state, ConnState::syn_sent);

  const wire::Flow answer = answer_flow(syn);
  expect_at_client(seen(bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront)));
  EXPECT_EQ(entry.state, ConnState::syn_received);
  expect_at_backend(seen(bed.forwarded(kFront, from_client(tcp_packet(client_flow(), kAck)), kBack)));
  EXPECT_EQ(entry.state, ConnState::established);

  const Bytes question = {'G', 'E', 'T', ' ', '/'}, page(1000, 0xa5);
  const Seen got = seen(bed.forwarded(kFront, from_client(tcp_packet(client_flow(), kAck, question)), kBack));
  EXPECT_EQ(Bytes(got.l4.begin() + 20, got.l4.end()), question);
  const Seen reply = seen(bed.forwarded(kBack, from_backend(tcp_packet(answer, kAck, page)), kFront));
  expect_at_client(reply);
  EXPECT_EQ(Bytes(reply.l4.begin() + 20, reply.l4.end()), page);

  bed.forwarded(kFront, from_client(tcp_packet(client_flow(), kFinAck)), kBack);
  EXPECT_EQ(entry.state, ConnState::client_fin);
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kFinAck)), kFront);
  EXPECT_EQ(entry.state, ConnState::time_wait);
  bed.forwarded(kFront, from_client(tcp_packet(client_flow(), kAck)), kBack);

  EXPECT_EQ(bed.backend_total(entry.backend, &BackendCounters::forward_packets), 5u);
  EXPECT_EQ(bed.backend_total(entry.backend, &BackendCounters::reverse_packets), 3u);
  EXPECT_EQ(bed.backend_total(entry.backend, &BackendCounters::active), 1u);
  const BackendSlot backend = entry.backend;
  bed.pass(SettingsCommand{}.time_wait_timeout_ms + 1000);
  EXPECT_EQ(bed.only_connection(), nullptr);
  EXPECT_EQ(bed.backend_total(backend, &BackendCounters::active), 0u);
  EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::active), 0u);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_expired), 1u);
}

TEST_P(Rewrite, udp_there_and_back) {
  Testbed bed(options(Proto::udp));
  const Seen question = seen(bed.forwarded(kFront, from_client(udp_packet(client_flow())), kBack));
  expect_at_backend(question);
  expect_at_client(seen(bed.forwarded(kBack, from_backend(udp_packet(answer_flow(question), {9, 8, 7, 6})), kFront)));
}

// RFC 768: no checksum stays none.
TEST_P(Rewrite, udp_without_checksum_stays_without) {
  Testbed bed(options(Proto::udp));
  const bool ipv4 = addr(ends.client).is_ipv4();
  const Bytes packet = udp_packet(client_flow(), {1, 2}, false);
  if (!ipv4) return bed.expect_drop(kFront, from_client(packet), DropReason::bad_l4_checksum);
  const Seen question = seen(bed.forwarded(kFront, from_client(packet), kBack));
  EXPECT_EQ(wire::get16(question.l4, 6), 0);
  const Seen answer = seen(bed.forwarded(kBack, from_backend(udp_packet(answer_flow(question), {1}, false)), kFront));
  EXPECT_EQ(wire::get16(answer.l4, 6), 0);
}

// RFC 768: a checksum that comes out as 0 goes out as 0xffff, not as "none".
TEST_P(Rewrite, udp_checksum_that_becomes_zero) {
  Testbed bed(options(Proto::udp));
  const Seen first = seen(bed.forwarded(kFront, from_client(udp_packet(client_flow())), kBack));
  const wire::Flow behind{first.src, first.dst, first.src_port, first.dst_port};
  Bytes payload = {0, 0};
  wire::set16(payload, 0, wire::get16(wire::udp(behind, payload), 6));  // the sum comes out as all ones
  ASSERT_EQ(wire::get16(wire::udp(behind, payload), 6), 0xffff);
  const Seen zero = seen(bed.forwarded(kFront, from_client(udp_packet(client_flow(), payload)), kBack));
  EXPECT_EQ(wire::get16(zero.l4, 6), 0xffff);
}

TEST_P(Rewrite, every_checksum_is_right_for_many_ports_and_payloads) {
  Testbed bed(options(Proto::udp));
  for (unsigned i = 1; i < 600; ++i) {
    const wire::Flow flow = client_flow(static_cast<uint16_t>(i * 109));
    const Bytes payload(i % 7, static_cast<uint8_t>(i));
    const Seen there = seen(bed.forwarded(kFront, from_client(udp_packet(flow, payload)), kBack));
    const Seen back = seen(bed.forwarded(kBack, from_backend(udp_packet(answer_flow(there), payload)), kFront));
    ASSERT_EQ(back.dst_port, flow.src_port);
  }
}

TEST_P(Rewrite, ttl_would_reach_zero) {
  Testbed bed(options(Proto::tcp));
  bed.forwarded(kFront, from_client(tcp_packet(client_flow(), kSyn, {}, {.ttl = 2})), kBack);
  bed.expect_drop(kFront, from_client(tcp_packet(client_flow(), kSyn, {}, {.ttl = 1})), DropReason::ttl_expired);
  bed.expect_drop(kFront, from_client(tcp_packet(client_flow(), kSyn, {}, {.ttl = 0})), DropReason::ttl_expired);
}

TEST_P(Rewrite, ethernet_padding_is_cut) {
  Testbed bed(options(Proto::udp));
  Bytes frame = from_client(udp_packet(client_flow(), {1}));
  const size_t bytes = frame.size();
  frame.resize(bytes + 17, 0xee);
  EXPECT_EQ(bed.forwarded(kFront, frame, kBack).size(), bytes);
}

// A checksum that was wrong stays wrong by as much, so that the receiver finds out.
TEST_P(Rewrite, wrong_checksum_of_an_established_flow_stays_wrong) {
  Testbed bed(options(Proto::udp));
  bed.forwarded(kFront, from_client(udp_packet(client_flow())), kBack);
  Bytes frame = from_client(udp_packet(client_flow(), {1, 2, 3, 4}));
  frame.back() ^= 1;
  bed.send(kFront, frame);
  bed.run();
  const std::vector<Bytes> out = bed.received(kBack);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(wire::wrong_checksum(out[0]), "L4 checksum");
}

TEST_P(Rewrite, sender_of_a_packet_over_the_mtu_is_told) {
  TestbedOptions small = options(Proto::udp);
  small.mtu_bytes = 1400;
  Testbed bed(small);
  bed.send(kFront, from_client(udp_packet(client_flow(), Bytes(1400, 7))));
  bed.run();
  EXPECT_TRUE(bed.received(kBack).empty());
  const std::vector<Bytes> answers = bed.received(kFront);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(wire::wrong_checksum(answers[0]), "");
  const Seen answer = seen(answers[0]);
  EXPECT_EQ(answer.dst, addr(ends.client));
  EXPECT_EQ(answer.dst_mac, kClientMac);
  const bool ipv4 = addr(ends.client).is_ipv4();
  EXPECT_EQ(answer.l4.at(0), ipv4 ? 3 : 2);
  EXPECT_EQ(answer.l4.at(1), ipv4 ? 4 : 0);
  EXPECT_EQ(wire::get16(answer.l4, 6), 1400);
}

INSTANTIATE_TEST_SUITE_P(ModesAndFamilies, Rewrite,
                         testing::Values(ModeCase{Mode::fullnat, kIpv4Case}, ModeCase{Mode::fullnat, kIpv6Case},
                                         ModeCase{Mode::nat, kIpv4Case}, ModeCase{Mode::nat, kIpv6Case}),
                         [](const testing::TestParamInfo<ModeCase>& param) {
                           return std::string(param.param.mode == Mode::nat ? "nat_" : "fullnat_") +
                                  param.param.family.name;
                         });

TEST(RewriteIpv4, options_are_carried_along) {
  Testbed bed;
  const wire::Flow client = flow("192.0.2.10", 40'000, "203.0.113.10", 80);
  const Bytes options = {1, 1, 1, 0};
  const Bytes out = bed.forwarded(kFront, from_client(tcp_packet(client, kSyn, {}, {.options = options})), kBack);
  EXPECT_EQ(out.at(14), 0x46);
  EXPECT_EQ(Bytes(out.begin() + 34, out.begin() + 38), options);
  EXPECT_EQ(seen(out).dst_port, 8080);
}

}  // namespace
}  // namespace millrace
