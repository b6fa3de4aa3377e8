// limits_test.cpp: max_connections of services and backends, and what counts for them.
#include <gtest/gtest.h>

#include "dataplane/stages/connection.h"
#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr ServiceSlot kService{0};
constexpr BackendSlot kFirst{0};

wire::Flow client(uint16_t port) { return flow("192.0.2.10", port, "203.0.113.10", 80); }
Bytes syn(uint16_t port) { return from_client(tcp_packet(client(port), kSyn)); }

TestbedOptions with(const TestService& service) {
  TestbedOptions options;
  options.services = {service};
  return options;
}

// The kinds of notes that came, in order.
std::vector<NoteKind> kinds(Testbed& bed) {
  std::vector<NoteKind> all;
  for (const WorkerNote& note : bed.notes()) all.push_back(note.kind);
  return all;
}

// A connection up to its end by both sides, or by the client's reset.
class Conversation {
 public:
  Conversation(Testbed& bed, uint16_t port) : bed_(bed), to_vip_(client(port)) {
    const Seen out = seen(bed.forwarded(kFront, syn(port), kBack));
    to_snat_ = {out.dst, out.src, out.dst_port, out.src_port};
    backend(kSynAck);
    client_says(kAck);
  }
  void client_says(uint8_t flags) { bed_.forwarded(kFront, from_client(tcp_packet(to_vip_, flags)), kBack); }
  void backend(uint8_t flags) { bed_.forwarded(kBack, from_backend(tcp_packet(to_snat_, flags)), kFront); }

 private:
  Testbed& bed_;
  wire::Flow to_vip_;
  wire::Flow to_snat_;
};

TEST(Limits_of_a_service, the_next_client_is_dropped_under_service_full) {
  Testbed bed(with({.connections_max = 3}));
  for (uint16_t port = 1; port <= 3; ++port) bed.forwarded(kFront, syn(port), kBack);
  bed.notes();
  bed.expect_drop(kFront, syn(4), DropReason::service_full);
  EXPECT_EQ(bed.service_total(kService, &ServiceCounters::service_full), 1u);
  EXPECT_EQ(kinds(bed), std::vector{NoteKind::service_full});
  // Those that are open go on.
  bed.forwarded(kFront, syn(2), kBack);
}

TEST(Limits_of_a_service, leave_other_services_alone) {
  TestbedOptions options = with({.binds = {"203.0.113.10:80"}, .connections_max = 1});
  options.services.push_back(TestService{.binds = {"203.0.113.11:80"}});
  Testbed bed(options);
  bed.forwarded(kFront, syn(1), kBack);
  bed.expect_drop(kFront, syn(2), DropReason::service_full);
  for (uint16_t port = 1; port <= 3; ++port)
    bed.forwarded(kFront, from_client(tcp_packet(flow("192.0.2.10", port, "203.0.113.11", 80), kSyn)), kBack);
}

TEST(Limits_of_a_service, a_flood_is_told_once_a_millisecond) {
  Testbed bed(with({.connections_max = 1}));
  bed.forwarded(kFront, syn(1), kBack);
  bed.notes();
  for (uint16_t port = 2; port < 52; ++port) bed.send(kFront, syn(port));
  bed.run();
  EXPECT_EQ(bed.dropped(DropReason::service_full), 50u);
  EXPECT_LE(bed.notes().size(), 3u);
}

TEST(Limits_of_a_backend, it_is_passed_over_and_then_all_are_full) {
  Testbed bed(with({.backends = {"10.0.0.1:8080", "10.0.0.2:8080"}, .backend_connections_max = 2}));
  for (uint16_t port = 1; port <= 4; ++port) bed.forwarded(kFront, syn(port), kBack);
  EXPECT_EQ(bed.backend_total(kFirst, &BackendCounters::active), 2u);
  bed.notes();
  bed.expect_drop(kFront, syn(5), DropReason::backends_full);
  EXPECT_EQ(bed.service_total(kService, &ServiceCounters::backends_full), 1u);
  EXPECT_EQ(bed.service_total(kService, &ServiceCounters::no_backend), 0u);
  EXPECT_EQ(kinds(bed), std::vector{NoteKind::backends_full});
}

TEST(Limits, a_client_that_tries_again_gets_the_place_of_one_that_ended) {
  Testbed bed(with({.connections_max = 1}));
  Conversation first(bed, 1);
  bed.expect_drop(kFront, syn(2), DropReason::service_full);
  first.client_says(kFinAck);
  bed.pass(5);
  bed.expect_drop(kFront, syn(2), DropReason::service_full);  // half closed is open
  first.backend(kFinAck);
  bed.pass(5);
  // Its entry is still there, for what comes late.
  bed.forwarded(kFront, syn(2), kBack);
  EXPECT_EQ(bed.service_total(kService, &ServiceCounters::active), 2u);
}

TEST(Limits, one_that_was_reset_has_left) {
  Testbed bed(with({.backends = {"10.0.0.1:8080"}, .backend_connections_max = 1}));
  Conversation first(bed, 1);
  first.client_says(kRst);
  bed.pass(5);
  Conversation second(bed, 2);
  second.backend(kRst);
  bed.pass(5);
  bed.forwarded(kFront, syn(3), kBack);
}

TEST(Limits, a_tuple_used_again_counts_once) {
  Testbed bed(with({.connections_max = 1}));
  for (int i = 0; i < 3; ++i) {
    Conversation again(bed, 1);
    again.client_says(kRst);
  }
  EXPECT_EQ(bed.state().open_counts.of(kService), 0u);
  EXPECT_EQ(bed.state().open_counts.of(kFirst), 0u);
}

TEST(Limits, one_that_its_backend_takes_up_again_counts_again) {
  Testbed bed(with({.backends = {"10.0.0.1:8080"}, .connections_max = 1}));
  Conversation one(bed, 1);
  one.backend(kFinAck);
  one.client_says(kFinAck);
  EXPECT_EQ(bed.state().open_counts.of(kService), 0u);
  one.client_says(kSyn);  // not newer than the old connection: its backend knows (RFC 9293 section 3.6.1)
  one.backend(kSynAck);
  EXPECT_EQ(bed.state().open_counts.of(kFirst), 1u);
  bed.expect_drop(kFront, syn(2), DropReason::service_full);
  bed.pass(3 * 600'000);
  EXPECT_EQ(bed.state().open_counts.of(kService), 0u);
  EXPECT_EQ(bed.state().open_counts.of(kFirst), 0u);
}

TEST(Limits, count_back_to_nothing_when_all_have_ended) {
  Testbed bed(with({.backends = {"10.0.0.1:8080", "10.0.0.2:8080"}}));
  for (uint16_t port = 1; port <= 5; ++port) {
    Conversation one(bed, port);
    if (port % 2 == 0) one.client_says(kRst);
    if (port == 3) {
      one.backend(kFinAck);
      one.client_says(kFinAck);
    }
  }
  bed.forwarded(kFront, syn(6), kBack);
  EXPECT_EQ(bed.state().open_counts.of(kService), 3u);
  bed.pass(3 * 600'000);
  EXPECT_EQ(bed.service_total(kService, &ServiceCounters::active), 0u);
  EXPECT_EQ(bed.state().open_counts.of(kService), 0u);
  for (const BackendSlot slot : {kFirst, BackendSlot{1}}) EXPECT_EQ(bed.state().open_counts.of(slot), 0u);
}

TEST(Limits, are_of_all_workers_together) {
  TestbedOptions options = with({.connections_max = 8});
  options.workers = 4;
  Testbed bed(options);
  for (uint16_t port = 1; port <= 200; ++port) bed.send(kFront, syn(port));
  bed.run();
  EXPECT_EQ(bed.service_total(kService, &ServiceCounters::active), 8u) << "one thread: no two workers at once";
  EXPECT_EQ(bed.dropped(DropReason::service_full), 192u);
}

TEST(Limits, of_udp_sessions) {
  Testbed bed(with({.proto = Proto::udp, .client_idle_ms = 20'000, .connections_max = 1}));
  bed.forwarded(kFront, from_client(udp_packet(client(1))), kBack);
  bed.expect_drop(kFront, from_client(udp_packet(client(2))), DropReason::service_full);
  bed.pass(21'000);
  bed.forwarded(kFront, from_client(udp_packet(client(2))), kBack);
}

TEST(Limits, of_ipv6) {
  Testbed bed(with({.backend_connections_max = 1}));
  const auto syn6 = [](uint16_t port) {
    return from_client(tcp_packet(flow("2001:db8:1::10", port, "2001:db8:2::10", 80), kSyn));
  };
  bed.forwarded(kFront, syn6(1), kBack);
  bed.expect_drop(kFront, syn6(2), DropReason::backends_full);
  bed.forwarded(kFront, syn(1), kBack);  // the other family's backend has room
}

}  // namespace
}  // namespace millrace
