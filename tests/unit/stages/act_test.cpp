// act_test.cpp: what is decided about packets with and without a connection.
#include <gtest/gtest.h>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::Bytes;

const wire::Flow kClient = flow("192.0.2.10", 40'000, "203.0.113.10", 80);

// A connection up to `established`; returns the backend's tuple.
wire::Flow establish(Testbed& bed, const wire::Flow& client = kClient) {
  const wire::Flow answer = answer_to(bed.forwarded(kFront, from_client(tcp_packet(client, kSyn)), kBack));
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
  bed.forwarded(kFront, from_client(tcp_packet(client, kAck)), kBack);
  return answer;
}

TEST(Act, vip_without_such_a_service) {
  Testbed bed;
  bed.expect_drop(kFront, from_client(tcp_packet(flow("192.0.2.10", 1, "203.0.113.10", 81), kSyn)),
                  DropReason::no_service);
  bed.expect_drop(kFront, from_client(udp_packet(flow("192.0.2.10", 1, "203.0.113.10", 80))), DropReason::no_service);
  bed.expect_drop(kFront, from_client(tcp_packet(flow("192.0.2.10", 1, "10.0.0.100", 9999), kSyn)),
                  DropReason::no_service);
}

TEST(Act, tcp_in_the_middle_of_nothing) {
  Testbed bed;
  for (const uint8_t flags : {kAck, kSynAck, kFinAck, kRst})
    bed.expect_drop(kFront, from_client(tcp_packet(kClient, flags)), DropReason::no_connection);
  EXPECT_EQ(bed.only_connection(), nullptr);
}

TEST(Act, to_somebody_else_goes_to_the_kernel) {
  Testbed bed;
  bed.expect_divert(kFront, from_client(tcp_packet(flow("192.0.2.10", 1, "192.0.2.1", 22), kSyn)));
  bed.expect_divert(kFront, from_client(udp_packet(flow("2001:db8:1::10", 1, "2001:db8:1::1", 53))));
}

TEST(Act, without_a_kernel_side_it_is_a_drop) {
  for (const bool configured : {true, false}) {
    TestbedOptions options;
    options.kernel_sees_all = false;
    options.configured = configured;
    Testbed bed(options);
    bed.expect_drop(kFront, from_client(tcp_packet(flow("192.0.2.10", 1, "192.0.2.1", 22), kSyn)),
                    configured ? DropReason::not_ours : DropReason::no_config);
  }
}

TEST(Act, before_the_first_configuration_everything_is_the_kernels) {
  TestbedOptions options;
  options.configured = false;
  Testbed bed(options);
  bed.expect_divert(kFront, from_client(tcp_packet(kClient, kSyn)));
}

TEST(Act, reply_to_a_snat_port_without_connection) {
  for (const bool kernel_owned : {false, true}) {
    TestbedOptions options;
    options.snat_kernel_owned = kernel_owned;
    Testbed bed(options);
    const Bytes reply = from_backend(tcp_packet(flow("10.0.0.1", 8080, "10.0.0.100", 12'345), kSynAck));
    if (kernel_owned)
      bed.expect_divert(kBack, reply);
    else
      bed.expect_drop(kBack, reply, DropReason::no_connection);
  }
}

TEST(Act, own_traffic_of_a_nat_backend_is_routed_by_the_kernel) {
  TestbedOptions options;
  options.services = {TestService{.mode = Mode::nat}};
  Testbed bed(options);
  bed.expect_divert(kBack, from_backend(tcp_packet(flow("10.0.0.1", 8080, "198.51.100.7", 555), kAck)));
}

TEST(Act, two_first_packets_in_one_burst_make_one_connection) {
  TestbedOptions options;
  options.services = {TestService{.proto = Proto::udp}};
  Testbed bed(options);
  for (int i = 0; i < 5; ++i) bed.send(kFront, from_client(udp_packet(kClient)));
  bed.run();
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), 1u);
  EXPECT_EQ(bed.received(kBack).size(), 5u);
}

TEST(Act, retransmitted_syn_goes_the_same_way) {
  Testbed bed;
  const Seen first = seen(bed.forwarded(kFront, from_client(tcp_packet(kClient, kSyn)), kBack));
  const Seen second = seen(bed.forwarded(kFront, from_client(tcp_packet(kClient, kSyn)), kBack));
  EXPECT_EQ(first.src_port, second.src_port);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), 1u);
}

TEST(Act, new_connection_on_the_tuple_of_a_finished_one) {
  Testbed bed;
  const wire::Flow answer = establish(bed);
  bed.forwarded(kFront, from_client(tcp_packet(kClient, kFinAck)), kBack);
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kFinAck)), kFront);
  ASSERT_EQ(bed.only_connection()->state, ConnState::time_wait);
  // The new SYN and its data in one burst: the second must not meet the old connection.
  bed.send(kFront, from_client(tcp_packet(kClient, kAck)));
  bed.send(kFront, from_client(tcp_packet(kClient, kSyn)));
  bed.send(kFront, from_client(tcp_packet(kClient, kAck)));
  bed.run();
  const std::vector<Bytes> out = bed.received(kBack);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(seen(out[0]).src_port, answer.dst_port);
  EXPECT_NE(seen(out[1]).src_port, answer.dst_port);
  EXPECT_EQ(seen(out[2]).src_port, seen(out[1]).src_port);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), 2u);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_closed), 1u);
  EXPECT_EQ(bed.only_connection()->state, ConnState::syn_sent);
  // The old backend side is nothing any more.
  bed.expect_drop(kBack, from_backend(tcp_packet(answer, kAck)), DropReason::no_connection);
}

TEST(Act, refused_connection_is_a_connect_failure) {
  Testbed bed;
  const wire::Flow answer = answer_to(bed.forwarded(kFront, from_client(tcp_packet(kClient, kSyn)), kBack));
  const BackendSlot backend = bed.only_connection()->backend;
  bed.notes();
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kRstAck)), kFront);
  EXPECT_EQ(bed.only_connection()->state, ConnState::closed);
  EXPECT_EQ(bed.backend_total(backend, &BackendCounters::connect_failures), 1u);
  EXPECT_EQ(bed.backend_total(backend, &BackendCounters::resets), 0u);
  const std::vector<WorkerNote> notes = bed.notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].kind, NoteKind::connect_failed);
  EXPECT_EQ(notes[0].backend, backend);
  // A client that tries again on the same port gets a new connection.
  bed.forwarded(kFront, from_client(tcp_packet(kClient, kSyn)), kBack);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), 2u);
}

TEST(Act, reset_by_the_backend_is_told_once_and_by_the_client_not) {
  Testbed bed;
  const wire::Flow answer = establish(bed);
  const BackendSlot backend = bed.only_connection()->backend;
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kRst)), kFront);
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kRst)), kFront);
  EXPECT_EQ(bed.backend_total(backend, &BackendCounters::resets), 1u);
  std::vector<WorkerNote> notes = bed.notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].kind, NoteKind::backend_reset);

  const wire::Flow other = flow("192.0.2.10", 40'001, "203.0.113.10", 80);
  establish(bed, other);
  bed.forwarded(kFront, from_client(tcp_packet(other, kRst)), kBack);
  EXPECT_EQ(bed.backend_total(backend, &BackendCounters::resets), 1u);
  EXPECT_TRUE(bed.notes().empty());
}

TEST(Act, connections_outlive_their_service) {
  Testbed bed;
  const wire::Flow answer = establish(bed);
  bed.configure({});
  bed.announce_nothing();
  bed.forwarded(kFront, from_client(tcp_packet(kClient, kAck, {1})), kBack);
  bed.forwarded(kBack, from_backend(tcp_packet(answer, kAck, {2})), kFront);
  bed.expect_divert(kFront, from_client(tcp_packet(flow("192.0.2.10", 40'001, "203.0.113.10", 80), kSyn)));
  // RFC 5382 REQ-5 rules where no service does.
  bed.pass(2 * 60 * 60 * 1000);
  EXPECT_NE(bed.only_connection(), nullptr);
  bed.pass(10 * 60 * 1000);
  EXPECT_EQ(bed.only_connection(), nullptr);
}

}  // namespace
}  // namespace millrace
