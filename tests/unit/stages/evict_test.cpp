// evict_test.cpp: who makes room when every entry is taken, and who never does.
#include "dataplane/stages/evict.h"

#include <gtest/gtest.h>

#include "dataplane/stages/connection.h"
#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr uint32_t kEntries = 16;

class Evict : public testing::TestWithParam<FamilyCase> {
 protected:
  static TestbedOptions full_table(Proto proto = Proto::tcp) {
    TestbedOptions options;
    options.connections = kEntries;
    options.services = {TestService{.proto = proto}};
    return options;
  }
  wire::Flow client(uint16_t port) const { return flow(GetParam().client, port, GetParam().vip, 80); }
  Bytes tcp(uint16_t port, uint8_t flags) const { return from_client(tcp_packet(client(port), flags)); }
  Bytes udp(uint16_t port) const { return from_client(udp_packet(client(port))); }
  // Returns the backend's tuple.
  wire::Flow establish(Testbed& bed, uint16_t port) const {
    const wire::Flow answer = answer_to(bed.forwarded(kFront, tcp(port, kSyn), kBack));
    bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
    bed.forwarded(kFront, tcp(port, kAck), kBack);
    return answer;
  }
  // free: there is none from this port.
  ConnState state_of(Testbed& bed, uint16_t port) const {
    const ConnRef found = find_connection(bed.worker(), {wire::addr(GetParam().client), wire::addr(GetParam().vip),
                                                         Be16::from_host(port), Be16::from_host(80), Proto::tcp});
    return found.found() ? bed.worker().slab[found.index].state : ConnState::free;
  }
  static uint64_t evicted(const Testbed& bed) { return bed.service_total(ServiceSlot{0}, &ServiceCounters::evicted); }
};

TEST_P(Evict, a_syn_flood_over_a_full_table_leaves_established_connections_alone) {
  Testbed bed(full_table());
  std::vector<wire::Flow> answers;
  for (uint16_t port = 1; port <= kEntries - 4; ++port) answers.push_back(establish(bed, port));
  for (unsigned round = 0; round < 400; ++round) {
    for (uint16_t i = 0; i < 20; ++i) bed.send(kFront, tcp(static_cast<uint16_t>(1000 + round * 20 + i), kSyn));
    bed.run();
    bed.received(kBack);
    bed.pass(200);
    if (round % 50 != 0) continue;
    for (uint16_t port = 1; port <= kEntries - 4; ++port) bed.forwarded(kFront, tcp(port, kAck), kBack);
  }
  // 80 s of flood, in which each of the four others made room once a second.
  EXPECT_NEAR(static_cast<double>(evicted(bed)), 4 * 80 / 1.0, 50);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_evicted), evicted(bed));
  for (uint16_t port = 1; port <= kEntries - 4; ++port) {
    bed.forwarded(kFront, tcp(port, kAck), kBack);
    bed.forwarded(kBack, from_backend(tcp_packet(answers[port - 1], kAck)), kFront);
  }
}

TEST_P(Evict, the_oldest_embryonic_connection_goes_first) {
  Testbed bed(full_table());
  for (uint16_t port = 1; port <= kEntries; ++port) {
    bed.forwarded(kFront, tcp(port, kSyn), kBack);
    bed.pass(10);
  }
  bed.pass(kQuietMs);
  bed.notes();
  bed.forwarded(kFront, tcp(100, kSyn), kBack);
  EXPECT_EQ(evicted(bed), 1u);
  const std::vector<WorkerNote> notes = bed.notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].kind, NoteKind::evicted);
  EXPECT_EQ(notes[0].service, ServiceSlot{0});
  bed.expect_drop(kFront, tcp(1, kAck), DropReason::no_connection);
  bed.forwarded(kFront, tcp(2, kAck), kBack);
}

TEST_P(Evict, a_handshake_has_a_second_for_each_of_its_packets) {
  Testbed bed(full_table());
  for (uint16_t port = 1; port <= kEntries; ++port) bed.forwarded(kFront, tcp(port, kSyn), kBack);
  bed.pass(kQuietMs - 300);
  bed.expect_drop(kFront, tcp(100, kSyn), DropReason::slab_full);
  bed.forwarded(kFront, tcp(1, kSyn), kBack);  // said again
  bed.pass(300);
  bed.forwarded(kFront, tcp(100, kSyn), kBack);
  bed.forwarded(kFront, tcp(1, kAck), kBack);
  bed.expect_drop(kFront, tcp(2, kAck), DropReason::no_connection);
}

TEST_P(Evict, closing_ones_go_when_there_are_no_embryonic_ones) {
  Testbed bed(full_table());
  std::vector<wire::Flow> answers;
  for (uint16_t port = 1; port <= kEntries; ++port) answers.push_back(establish(bed, port));
  bed.forwarded(kFront, tcp(7, kFinAck), kBack);
  bed.forwarded(kBack, from_backend(tcp_packet(answers[6], kFinAck)), kFront);
  ASSERT_EQ(state_of(bed, 7), ConnState::time_wait);
  bed.pass(1);
  bed.forwarded(kFront, tcp(5, kRst), kBack);
  ASSERT_EQ(state_of(bed, 5), ConnState::closed);
  bed.pass(kQuietMs);
  for (const uint16_t newcomer : {100, 101}) establish(bed, newcomer);
  EXPECT_EQ(state_of(bed, 7), ConnState::free);
  EXPECT_EQ(state_of(bed, 5), ConnState::free);
  bed.expect_drop(kFront, tcp(102, kSyn), DropReason::slab_full);
  EXPECT_EQ(evicted(bed), 2u);
}

TEST_P(Evict, active_ones_never_go) {
  Testbed bed(full_table());
  for (uint16_t port = 1; port <= kEntries; ++port) establish(bed, port);
  bed.pass(kActiveMs - 5'000);
  for (unsigned i = 0; i < 2 * kEntries; ++i) bed.expect_drop(kFront, tcp(100, kSyn), DropReason::slab_full);
  EXPECT_EQ(evicted(bed), 0u);
}

TEST_P(Evict, idle_ones_go_when_nobody_else_can) {
  Testbed bed(full_table());
  for (uint16_t port = 1; port <= kEntries; ++port) establish(bed, port);
  bed.pass(kActiveMs - 5'000);
  for (uint16_t port = 1; port <= kEntries; ++port)
    if (port != 3) bed.forwarded(kFront, tcp(port, kAck), kBack);
  bed.pass(5'000);
  // A look sees some entries only; the client says its SYN again.
  for (unsigned i = 0; i < kEntries / kIdleLooks && evicted(bed) == 0; ++i) {
    bed.send(kFront, tcp(100, kSyn));
    bed.run();
  }
  EXPECT_EQ(evicted(bed), 1u);
  bed.received(kBack);
  bed.expect_drop(kFront, tcp(3, kAck), DropReason::no_connection);
  for (uint16_t port = 1; port <= kEntries; ++port)
    if (port != 3) bed.forwarded(kFront, tcp(port, kAck), kBack);
}

TEST_P(Evict, a_flood_does_not_miss_who_falls_idle_meanwhile) {
  Testbed bed(full_table());
  for (uint16_t port = 1; port <= kEntries; ++port) {
    establish(bed, port);
    bed.pass(100);
  }
  const auto flood = [&](unsigned count) {
    for (unsigned i = 0; i < count; ++i) bed.expect_drop(kFront, tcp(100, kSyn), DropReason::slab_full);
  };
  flood(5);  // in the middle of a lap
  bed.pass(20'000);
  flood(3 * kEntries);
  for (uint16_t port = 1; port <= kEntries; ++port)
    if (port != 9) bed.forwarded(kFront, tcp(port, kAck), kBack);
  bed.pass(kActiveMs - 20'000 - 16 * 100 + 8 * 100 - 100);
  flood(kEntries);
  bed.pass(100);
  for (unsigned i = 0; i < kEntries / kIdleLooks && evicted(bed) == 0; ++i) {
    bed.send(kFront, tcp(100, kSyn));
    bed.run();
  }
  EXPECT_EQ(evicted(bed), 1u);
  EXPECT_EQ(state_of(bed, 9), ConnState::free);
}

TEST_P(Evict, udp_that_nobody_answers_goes_once_it_is_silent) {
  Testbed bed(full_table(Proto::udp));
  const wire::Flow answer = answer_to(bed.forwarded(kFront, udp(1), kBack));
  bed.pass(1);
  bed.forwarded(kBack, from_backend(udp_packet(answer)), kFront);
  for (uint16_t port = 2; port <= kEntries; ++port) bed.forwarded(kFront, udp(port), kBack);
  bed.expect_drop(kFront, udp(100), DropReason::slab_full);
  bed.pass(kQuietMs);
  bed.forwarded(kFront, udp(2), kBack);  // sends on, as syslog does
  bed.forwarded(kFront, udp(100), kBack);
  EXPECT_EQ(evicted(bed), 1u);
  bed.forwarded(kBack, from_backend(udp_packet(answer)), kFront);
  const uint64_t opened = bed.total(&WorkerCounters::connections_opened);
  bed.forwarded(kFront, udp(2), kBack);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), opened) << "neither of those two had to go";
}

// A later fragment leaves no trace in the entry by which it is still to be rewritten.
TEST_P(Evict, not_one_of_this_very_burst) {
  Testbed bed(full_table(Proto::udp));
  const std::vector<Bytes> pieces = wire::fragments(udp_packet(client(1), Bytes(500)), 400, 7);
  ASSERT_EQ(pieces.size(), 2u);
  bed.send(kFront, from_client(pieces[0]));
  bed.run();
  const Seen first = seen(bed.received(kBack).at(0));
  for (uint16_t port = 2; port <= kEntries; ++port) {
    const wire::Flow answer = answer_to(bed.forwarded(kFront, udp(port), kBack));
    bed.pass(1);
    bed.forwarded(kBack, from_backend(udp_packet(answer)), kFront);
  }
  bed.pass(kQuietMs);
  bed.send(kFront, from_client(pieces[1]));
  bed.send(kFront, udp(100));
  bed.run();
  const std::vector<Bytes> out = bed.received(kBack);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(seen(out[0]).src, first.src);
  EXPECT_EQ(seen(out[0]).dst, first.dst);
  EXPECT_EQ(bed.dropped(DropReason::slab_full), 1u);
  bed.forwarded(kFront, udp(100), kBack);
  EXPECT_EQ(evicted(bed), 1u);
}

// It can do without an entry.
TEST_P(Evict, nobody_goes_for_a_flow_of_mode_dsr) {
  TestbedOptions options = full_table();
  options.services[0].mode = Mode::dsr;
  options.services[0].backends = {"10.0.0.1:80", "[fd00::1]:80"};
  Testbed bed(options);
  for (uint16_t port = 1; port <= kEntries; ++port) bed.forwarded(kFront, tcp(port, kSyn), kBack);
  bed.pass(kQuietMs);
  bed.forwarded(kFront, tcp(100, kSyn), kBack);
  EXPECT_EQ(bed.total(&WorkerCounters::unrecorded), 1u);
  EXPECT_EQ(evicted(bed), 0u);
}

// Its client has proven itself, and is not to be had by others who did.
TEST_P(Evict, a_proxied_handshake_stays) {
  TestbedOptions options = full_table();
  options.services[0].mode = Mode::proxy;
  Testbed bed(options);
  for (uint32_t i = 0; i < kEntries; ++i) {
    const ConnIndex index = bed.worker().slab.claim();
    bed.worker().slab[index].spliced = 1;
    bed.worker().slab[index].state = ConnState::connect;
    bed.worker().slab.publish(index);
  }
  bed.pass(kActiveMs);
  EXPECT_FALSE(make_room(bed.worker()));
}

INSTANTIATE_TEST_SUITE_P(, Evict, testing::Values(kIpv4Case, kIpv6Case),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace millrace
