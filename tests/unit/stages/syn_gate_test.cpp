// syn_proxy = "auto": cookies when there are too many SYNs, and no longer than that.
#include "dataplane/stages/syn_gate.h"

#include <gtest/gtest.h>

#include "tests/unit/stages/tcp_talk.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr uint32_t kRate = 1000;
constexpr uint32_t kPerWindow = kRate * kGateWindowMs / 1000;

TestbedOptions automatic(Mode mode = Mode::fullnat) {
  TestbedOptions options;
  options.services = {TestService{.mode = mode, .syn_proxy = SynProxy::automatic, .syn_rate = kRate}};
  return options;
}

Talk syn(uint16_t port) {
  return {.flow = flow("192.0.2.10", port, "203.0.113.10", 80), .seq = 7, .flags = kSyn, .window = 1000};
}

class SynGateTest : public testing::Test {
 protected:
  explicit SynGateTest(const TestbedOptions& options = automatic()) : bed_(options) {}

  void send_syns(uint16_t first, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
      bed_.send(kFront, from_client(packet_of(syn(static_cast<uint16_t>(first + i)))));
    bed_.run();
  }
  uint64_t cookies() const { return bed_.total(&WorkerCounters::cookies_sent); }
  unsigned told(NoteKind kind) {
    unsigned count = 0;
    for (const WorkerNote& note : bed_.notes()) count += note.kind == kind;
    return count;
  }

  Testbed bed_;
};

TEST_F(SynGateTest, few_syns_are_forwarded) {
  send_syns(1000, kPerWindow);
  EXPECT_EQ(cookies(), 0u);
  EXPECT_EQ(bed_.received(kBack).size(), kPerWindow);
}

TEST_F(SynGateTest, too_many_are_answered_and_that_is_told_once) {
  send_syns(1000, kPerWindow + 20);
  EXPECT_EQ(cookies(), 20u);
  EXPECT_EQ(bed_.received(kBack).size(), kPerWindow);
  EXPECT_EQ(bed_.service_total(ServiceSlot{0}, &ServiceCounters::syn_floods), 1u);
  EXPECT_EQ(told(NoteKind::syn_proxy_on), 1u);
}

TEST_F(SynGateTest, calm_ends_it_without_another_syn) {
  send_syns(1000, kPerWindow + 1);
  bed_.pass(kGateCalmMs - 500);
  EXPECT_EQ(told(NoteKind::syn_proxy_off), 0u);
  bed_.pass(1000);
  EXPECT_EQ(told(NoteKind::syn_proxy_off), 1u);
  const uint64_t before = cookies();
  send_syns(5000, 1);
  EXPECT_EQ(cookies(), before);
}

// A client that was given a cookie comes back after the gate has closed.
TEST_F(SynGateTest, cookies_that_are_out_are_good) {
  send_syns(1000, kPerWindow);
  bed_.received(kFront);
  send_syns(9000, 1);
  const std::vector<Bytes> answers = bed_.received(kFront);
  ASSERT_EQ(answers.size(), 1u);
  const Talk answer = read_talk(answers[0]);
  bed_.received(kBack);
  bed_.pass(kGateCalmMs + 100);
  EXPECT_EQ(told(NoteKind::syn_proxy_off), 1u);
  Talk ack = syn(9000);
  ack.seq = 8;
  ack.ack = answer.seq + 1;
  ack.flags = kAck;
  bed_.send(kFront, from_client(packet_of(ack)));
  bed_.run();
  const std::vector<Bytes> sent = bed_.received(kBack);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(read_talk(sent[0]).flags, kSyn);
}

TEST_F(SynGateTest, a_full_slab_opens_it_at_any_rate) {
  const uint32_t entries = TestbedOptions{}.connections * kGatePressurePercent / 100 + 1;
  uint16_t port = 1000;
  for (uint32_t left = entries; left != 0;) {
    const uint32_t part = std::min(left, kPerWindow);
    send_syns(port, part);
    bed_.pass(kGateWindowMs);
    bed_.received(kBack);
    port = static_cast<uint16_t>(port + part);
    left -= part;
  }
  EXPECT_EQ(cookies(), 0u);
  send_syns(port, 1);
  EXPECT_EQ(cookies(), 1u);
}

class SynGateNat : public SynGateTest {
 protected:
  SynGateNat() : SynGateTest(automatic(Mode::nat)) {}
};

// The backend sees the client's own endpoint, and numbers of ours.
TEST_F(SynGateNat, nat_is_spliced_too) {
  send_syns(1000, kPerWindow);
  send_syns(9000, 1);
  const Talk answer = read_talk(bed_.received(kFront).back());
  bed_.received(kBack);
  Talk ack = syn(9000);
  ack.seq = 8;
  ack.ack = answer.seq + 1;
  ack.flags = kAck;
  bed_.send(kFront, from_client(packet_of(ack)));
  bed_.run();
  const std::vector<Bytes> sent = bed_.received(kBack);
  ASSERT_EQ(sent.size(), 1u);
  const Talk to_backend = read_talk(sent[0]);
  EXPECT_EQ(to_backend.flow.src, wire::addr("192.0.2.10"));
  EXPECT_EQ(to_backend.flow.src_port, 9000);
  Talk syn_ack{.flow = {to_backend.flow.dst, to_backend.flow.src, to_backend.flow.dst_port, to_backend.flow.src_port},
               .seq = 99,
               .ack = to_backend.seq + 1,
               .flags = kSynAck,
               .window = 500};
  bed_.send(kBack, from_backend(packet_of(syn_ack)));
  bed_.run();
  const std::vector<Bytes> opened = bed_.received(kFront);
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(read_talk(opened[0]).window, 500);
}

}  // namespace
}  // namespace millrace
