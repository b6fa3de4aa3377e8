#include "dataplane/stages/udp_session.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::Bytes;

class UdpSession : public testing::TestWithParam<FamilyCase> {
 protected:
  void serve(TestService service) {
    service.proto = Proto::udp;
    service.backends = {"10.0.0.1:53", "10.0.0.2:53", "[fd00::1]:53", "[fd00::2]:53"};
    TestbedOptions options;
    options.services = {service};
    options.neighbours_resolved = false;
    bed_.reset();  // before another one: their tables have names
    bed_ = std::make_unique<Testbed>(options);
    for (const char* addr : {"192.0.2.10", "2001:db8:1::10"}) bed_->resolve(kFront, addr, kClientMac);
    for (const char* addr : {"10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"}) bed_->resolve(kBack, addr, kBackendMac);
  }
  Bytes request(uint16_t port = 5) {
    return from_client(udp_packet(flow(GetParam().client, port, GetParam().vip, 80)));
  }
  // The client asks; what the backend sees.
  Seen ask(uint16_t port = 5) { return last_ = seen(bed_->forwarded(kFront, request(port), kBack)); }
  Bytes response_to(const Seen& asked) {
    return from_backend(udp_packet({asked.dst, asked.src, asked.dst_port, asked.src_port}));
  }
  void answer() { bed_->forwarded(kBack, response_to(last_), kFront); }
  // Of the backend that the last request went to.
  BackendSlot last_backend() {
    const bool second = last_.dst == wire::addr("10.0.0.2") || last_.dst == wire::addr("fd00::2");
    return BackendSlot{static_cast<uint16_t>((last_.dst.is_ipv4() ? 0 : 2) + second)};
  }
  uint64_t opened() { return bed_->total(&WorkerCounters::connections_opened); }
  uint64_t moved() { return bed_->service_total(ServiceSlot{0}, &ServiceCounters::sessions_moved); }

  std::unique_ptr<Testbed> bed_;
  Seen last_;
};

TEST_P(UdpSession, without_limits_goes_on) {
  serve({});
  const IpAddr first = ask().dst;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(ask().dst, first);
    answer();
  }
  EXPECT_EQ(opened(), 1u);
  EXPECT_EQ(bed_->only_connection()->state, ConnState::open);
}

TEST_P(UdpSession, max_requests__the_next_request_goes_to_another_backend) {
  serve({.udp_requests_max = 3});
  const IpAddr first = ask().dst;
  EXPECT_EQ(ask().dst, first);
  EXPECT_EQ(ask().dst, first);
  for (int i = 0; i < 5; ++i) answer();  // answers are not requests, and may come late
  const IpAddr second = ask().dst;
  EXPECT_NE(second, first);
  EXPECT_EQ(ask().dst, second);
  EXPECT_EQ(opened(), 2u);
  EXPECT_EQ(bed_->total(&WorkerCounters::connections_closed), 1u);
}

TEST_P(UdpSession, max_requests_of_1__every_request_is_a_session) {
  serve({.udp_requests_max = 1});
  for (int i = 0; i < 10; ++i) bed_->send(kFront, request());
  bed_->run();  // one burst
  EXPECT_EQ(bed_->received(kBack).size(), 10u);
  EXPECT_EQ(opened(), 10u);
  EXPECT_EQ(bed_->total(&WorkerCounters::connections_closed), 9u);
}

TEST_P(UdpSession, max_responses_of_1__the_answer_ends_it_as_dns_wants) {
  serve({.udp_responses_max = 1});
  const Seen first = ask();
  answer();
  EXPECT_EQ(bed_->state().open_counts.of(ServiceSlot{0}), 0u);
  // At once, another backend.
  EXPECT_NE(ask().dst, first.dst);
  answer();
  bed_->pass(1000);
  EXPECT_EQ(bed_->only_connection(), nullptr);
  EXPECT_EQ(bed_->total(&WorkerCounters::connections_closed), 2u);
}

TEST_P(UdpSession, max_responses__an_answer_too_many_reaches_nobody) {
  serve({.udp_responses_max = 2});
  ask();
  answer();
  answer();
  bed_->expect_drop(kBack, response_to(last_), DropReason::no_connection);
  ask();
  answer();
}

TEST_P(UdpSession, max_responses__silence_ends_it_by_the_idle_timeout) {
  serve({.client_idle_ms = 20'000, .udp_responses_max = 5});
  ask();
  answer();
  bed_->pass(19'000);
  EXPECT_NE(bed_->only_connection(), nullptr);
  bed_->pass(2'000);
  EXPECT_EQ(bed_->only_connection(), nullptr);
}

TEST_P(UdpSession, the_last_answers_of_a_burst_reach_the_client) {
  serve({.udp_responses_max = 3});
  ask();
  for (int i = 0; i < 3; ++i) bed_->send(kBack, response_to(last_));
  bed_->run();
  EXPECT_EQ(bed_->received(kFront).size(), 3u);
}

TEST_P(UdpSession, backend_lost__the_next_request_goes_to_another_one) {
  for (const uint16_t requests_max : {0, 1000}) {
    serve({.udp_requests_max = requests_max});
    const IpAddr first = ask().dst;
    answer();
    bed_->lose_backend(last_backend());
    const IpAddr second = ask().dst;
    EXPECT_NE(second, first);
    answer();
    EXPECT_EQ(ask().dst, second);
    EXPECT_EQ(moved(), 1u);
  }
}

TEST_P(UdpSession, backend_lost__sessions_of_others_stay) {
  serve({});
  const IpAddr first = ask(5).dst;
  const IpAddr second = ask(6).dst;
  ASSERT_NE(first, second);
  bed_->lose_backend(last_backend());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(5).dst, first);
  EXPECT_EQ(moved(), 0u);
}

TEST_P(UdpSession, backend_drained__keeps_its_sessions) {
  serve({});
  const IpAddr first = ask().dst;
  bed_->state().eligible.set(last_backend(), BackendStanding::closed);
  bed_->lose_backend(last_.dst.is_ipv4() ? BackendSlot{2} : BackendSlot{0});  // somebody else
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask().dst, first);
  EXPECT_NE(ask(6).dst, first);
}

TEST_P(UdpSession, backend_lost__what_it_still_answers_is_passed_on) {
  serve({});
  ask();
  bed_->lose_backend(last_backend());
  answer();
}

TEST_P(UdpSession, all_backends_lost__no_backend) {
  serve({});
  ask();
  for (uint16_t slot = 0; slot < 4; ++slot) bed_->lose_backend(BackendSlot{slot});
  bed_->expect_drop(kFront, request(), DropReason::no_backend);
}

INSTANTIATE_TEST_SUITE_P(Families, UdpSession, testing::Values(kIpv4Case, kIpv6Case),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace millrace
