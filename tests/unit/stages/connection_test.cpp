#include "dataplane/stages/connection.h"

#include <gtest/gtest.h>
#include <rte_cycles.h>

#include <set>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::Bytes;

wire::Flow client(uint16_t port) { return flow("192.0.2.10", port, "203.0.113.10", 80); }
Bytes syn(uint16_t port) { return from_client(tcp_packet(client(port), kSyn)); }

TEST(Connection, backends_take_turns_and_ports_differ) {
  TestbedOptions options;
  options.services = {TestService{.backends = {"10.0.0.1:8080", "10.0.0.2:8080"}}};
  Testbed bed(options);
  std::map<IpAddr, unsigned> hits;
  std::set<uint16_t> ports;
  for (uint16_t port = 1; port <= 20; ++port) {
    const Seen out = seen(bed.forwarded(kFront, syn(port), kBack));
    ++hits[out.dst];
    ports.insert(out.src_port);
  }
  EXPECT_EQ(hits[wire::addr("10.0.0.1")], 10u);
  EXPECT_EQ(hits[wire::addr("10.0.0.2")], 10u);
  EXPECT_GE(ports.size(), 10u);
  EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::connections), 20u);
  EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::active), 20u);
  EXPECT_EQ(bed.backend_total(BackendSlot{1}, &BackendCounters::active), 10u);
}

TEST(Connection, no_backend_of_the_family) {
  TestbedOptions options;
  options.services = {TestService{.backends = {"10.0.0.1:8080"}}};
  Testbed bed(options);
  const Bytes frame = from_client(tcp_packet(flow("2001:db8:1::10", 1, "2001:db8:2::10", 80), kSyn));
  bed.expect_drop(kFront, frame, DropReason::no_backend);
  EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::no_backend), 1u);
}

TEST(Connection, backend_that_went_down_gets_nothing_from_the_next_burst_on) {
  Testbed bed;
  bed.forwarded(kFront, syn(1), kBack);
  bed.state().eligible.set(BackendSlot{0}, false);
  bed.expect_drop(kFront, syn(2), DropReason::no_backend);
}

TEST(Connection, slab_full_leaves_the_others_alone) {
  TestbedOptions options;
  options.connections = 16;
  Testbed bed(options);
  for (uint16_t port = 1; port <= 16; ++port) bed.forwarded(kFront, syn(port), kBack);
  bed.notes();
  bed.expect_drop(kFront, syn(17), DropReason::slab_full);
  EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::no_slot), 1u);
  const std::vector<WorkerNote> notes = bed.notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].kind, NoteKind::slab_full);
  bed.forwarded(kFront, syn(3), kBack);
  // Room again when one ends.
  bed.pass(SettingsCommand{}.syn_sent_timeout_ms + 1000);
  bed.forwarded(kFront, syn(17), kBack);
}

TEST(Connection, snat_ports_run_out) {
  TestbedOptions options;
  options.snat_port_first = 10'000;
  options.snat_port_last = 10'003;
  Testbed bed(options);
  std::set<uint16_t> ports;
  for (uint16_t port = 1; port <= 4; ++port) ports.insert(seen(bed.forwarded(kFront, syn(port), kBack)).src_port);
  EXPECT_EQ(ports, (std::set<uint16_t>{10'000, 10'001, 10'002, 10'003}));
  bed.notes();
  bed.expect_drop(kFront, syn(5), DropReason::no_snat_port);
  EXPECT_EQ(bed.service_total(ServiceSlot{0}, &ServiceCounters::no_snat_port), 1u);
  const std::vector<WorkerNote> notes = bed.notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].kind, NoteKind::snat_exhausted);
}

// In nat the backend sees the client's port, so two VIPs with one backend can clash.
TEST(Connection, nat_clash_of_two_vips_is_refused) {
  TestbedOptions options;
  options.services = {TestService{.mode = Mode::nat, .binds = {"203.0.113.10:80"}, .backends = {"10.0.0.1:8080"}},
                      TestService{.mode = Mode::nat, .binds = {"203.0.113.11:80"}, .backends = {"10.0.0.1:8080"}}};
  Testbed bed(options);
  bed.forwarded(kFront, syn(7), kBack);
  bed.expect_drop(kFront, from_client(tcp_packet(flow("192.0.2.10", 7, "203.0.113.11", 80), kSyn)),
                  DropReason::no_snat_port);
  bed.forwarded(kFront, from_client(tcp_packet(flow("192.0.2.10", 8, "203.0.113.11", 80), kSyn)), kBack);
}

TEST(Connection, silence_after_syn_is_a_connect_failure) {
  Testbed bed;
  bed.forwarded(kFront, syn(1), kBack);
  bed.notes();
  bed.pass(SettingsCommand{}.syn_sent_timeout_ms - 500);
  EXPECT_NE(bed.only_connection(), nullptr);
  bed.pass(1000);
  EXPECT_EQ(bed.only_connection(), nullptr);
  EXPECT_EQ(bed.backend_total(BackendSlot{0}, &BackendCounters::connect_failures), 1u);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_expired), 1u);
  const std::vector<WorkerNote> notes = bed.notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].kind, NoteKind::connect_failed);
}

TEST(Connection, traffic_keeps_it_and_silence_ends_it) {
  TestbedOptions options;
  options.services = {TestService{.proto = Proto::udp, .client_idle_ms = 20'000, .backend_idle_ms = 60'000}};
  Testbed bed(options);
  const Bytes packet = from_client(udp_packet(client(5)));
  bed.forwarded(kFront, packet, kBack);
  for (int i = 0; i < 4; ++i) {
    bed.pass(15'000);
    bed.forwarded(kFront, packet, kBack);
  }
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), 1u);
  bed.pass(21'000);
  EXPECT_EQ(bed.only_connection(), nullptr);
  EXPECT_EQ(bed.backend_total(BackendSlot{0}, &BackendCounters::connect_failures), 0u);
}

// Until the first answer only the client's timeout counts; from then on the shorter one does.
TEST(Connection, first_udp_answer_starts_the_backends_timeout) {
  TestbedOptions options;
  options.services = {TestService{.proto = Proto::udp, .client_idle_ms = 100'000, .backend_idle_ms = 5'000}};
  Testbed bed(options);
  const Seen out = seen(bed.forwarded(kFront, from_client(udp_packet(client(5))), kBack));
  bed.pass(10'000);
  ASSERT_NE(bed.only_connection(), nullptr);
  bed.forwarded(kBack, from_backend(udp_packet({out.dst, out.src, out.dst_port, out.src_port})), kFront);
  bed.pass(6'000);
  EXPECT_EQ(bed.only_connection(), nullptr);
}

TEST(Connection, many_expiries_are_spread_over_calls) {
  Testbed bed;
  for (uint16_t port = 1; port <= 500; ++port) bed.send(kFront, syn(port));
  bed.run();
  EXPECT_EQ(bed.received(kBack).size(), 500u);
  bed.pass(SettingsCommand{}.syn_sent_timeout_ms + 1000);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_expired), 500u);
  EXPECT_GE(bed.total(&WorkerCounters::timer_behind), 7u);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_closed), 500u);
}

TEST(Connection, expiries_that_are_left_do_not_wait_for_the_next_millisecond) {
  Testbed bed;
  for (uint16_t port = 1; port <= 500; ++port) bed.send(kFront, syn(port));
  bed.run();
  EXPECT_EQ(bed.received(kBack).size(), 500u);
  Worker& worker = bed.worker();
  worker.clock.anchor(rte_rdtsc(), worker.clock.now_ms() + SettingsCommand{}.syn_sent_timeout_ms + 1000);
  for (unsigned turn = 0; turn < 9; ++turn) worker_turn(worker);
  EXPECT_EQ(bed.total(&WorkerCounters::connections_expired), 500u);
  EXPECT_FALSE(worker.expiries_left);
}

}  // namespace
}  // namespace millrace
