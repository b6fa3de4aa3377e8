// passive_health_test.cpp: counters of a dataplane's segment become ejections; in virtual time.
#include "controlplane/health/passive_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>

#include "controlplane/health/probe.h"
#include "tests/unit/control/log_capture.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

// Service web with four backends at slots 0 .. 3, two workers.
struct Passive : testing::Test {
  Passive() {
    config::ServiceConfig& web = config.services[0];
    web.passive_health = {.enabled = true, .volume_threshold = 10, .trial_connections = 4, .max_ejected = 0.5};
    web.backends.clear();
    fake.set_service(0, "web");
    for (uint16_t slot = 0; slot < 4; ++slot) {
      const Endpoint at = endpoint("10.0.0." + std::to_string(slot + 1) + ":80");
      web.backends.push_back({at});
      fake.set_backend(slot, 0, at);
    }
    watch();
  }
  // The settings as they are now.
  void watch() {
    passive.reconcile({&config});
    sample();
  }
  bool sample(uint64_t passed_ms = kPassiveSampleMs) {
    now_ms += passed_ms;
    const DesiredState desired = compute_desired_state(config, overrides, checks.table(), {}, passive.table());
    return passive.sample(segment, desired, checks, now_ms);
  }
  // What came of connections to a backend since the last sample, seen by both workers.
  void count(uint16_t slot, uint64_t answered, uint64_t refused, uint64_t resets = 0) {
    fake.backend_handshakes(0, slot).answered.add(answered);
    fake.backend_counters(0, slot).connections.add(answered);
    fake.backend_counters(1, slot).connections.add(refused);
    fake.backend_counters(1, slot).connect_failures.add(refused);
    fake.backend_counters(1, slot).resets.add(resets);
  }
  BackendKey key(uint16_t slot) const { return {"web", config.services[0].backends[slot].endpoint}; }
  BreakerState state(uint16_t slot) const { return passive.find(key(slot))->state(); }
  const DesiredBackend backend(uint16_t slot) {
    return compute_desired_state(config, overrides, checks.table(), {}, passive.table()).services[0].backends[slot];
  }

  TempDir dir;
  std::string path = dir.path("segment");
  FakeDataplane fake{path};
  std::shared_ptr<const Segment> segment = join_segment(path).segment;
  config::Config config = sample_config();
  Overrides overrides;
  boost::asio::io_context loop;
  HealthMonitor checks{loop.get_executor(), make_probes(loop.get_executor()), [](const BackendKey&) {}};
  PassiveHealth passive;
  uint64_t now_ms = 1'000'000;
};

TEST_F(Passive, ejects_who_refuses_and_tries_it_again) {
  LogCapture log;
  count(0, 2, 8);
  count(1, 10, 0);
  EXPECT_TRUE(sample());
  EXPECT_EQ(state(0), BreakerState::open);
  EXPECT_EQ(state(1), BreakerState::closed);
  EXPECT_EQ(backend(0).health, Health::down);
  EXPECT_EQ(backend(1).health, Health::up);
  EXPECT_TRUE(log.says("[warning] backend web/10.0.0.1:80 is ejected for ")) << log.text();
  EXPECT_TRUE(log.says("80% of 10 connections failed in 10 s")) << log.text();
  EXPECT_FALSE(sample());
  EXPECT_TRUE(sample(11'000));
  EXPECT_EQ(state(0), BreakerState::half_open);
  EXPECT_EQ(backend(0).health, Health::up);
  EXPECT_EQ(backend(0).trial, 26) << "a tenth of 256";
  EXPECT_TRUE(log.says("[info] backend web/10.0.0.1:80 is on trial with 10% of its share")) << log.text();
  count(0, 4, 0);
  EXPECT_TRUE(sample());
  EXPECT_EQ(backend(0).trial, 0);
  EXPECT_TRUE(log.says("[info] backend web/10.0.0.1:80 is no longer ejected: 0 of 4")) << log.text();
}

TEST_F(Passive, the_first_reading_counts_for_nothing) {
  PassiveHealth late;
  count(0, 0, 1000);
  late.reconcile({&config});
  const DesiredState desired = compute_desired_state(config, overrides, checks.table());
  EXPECT_FALSE(late.sample(segment, desired, checks, now_ms));
  EXPECT_FALSE(late.sample(segment, desired, checks, now_ms + 100));
}

TEST_F(Passive, a_slot_that_was_given_to_another_begins_anew) {
  count(0, 0, 9);
  sample();
  fake.backend_counters(1, 0).connect_failures.set(0);
  sample();
  count(0, 0, 5);
  EXPECT_TRUE(sample()) << "9 and 5 in the window";
  fake.set_backend(9, 0, config.services[0].backends[1].endpoint);
  fake.set_backend(1, 0, endpoint("10.0.0.99:80"));
  fake.backend_counters(1, 9).connect_failures.set(1000);
  fake.header().applied_generation.fetch_add(1);
  EXPECT_FALSE(sample()) << "what slot 9 counted before was another's";
  count(9, 0, 10);
  EXPECT_TRUE(sample());
  EXPECT_EQ(state(1), BreakerState::open);
}

TEST_F(Passive, more_than_may_be_out_are_not_ejected) {
  LogCapture log;
  for (uint16_t slot = 0; slot < 4; ++slot) count(slot, 0, 10u + slot);
  count(2, 10, 0);
  EXPECT_TRUE(sample());
  EXPECT_EQ(state(0), BreakerState::open);
  EXPECT_EQ(state(1), BreakerState::open);
  EXPECT_EQ(state(2), BreakerState::closed) << "the worst go";
  EXPECT_EQ(state(3), BreakerState::closed);
  EXPECT_EQ(passive.panics("web"), 1u);
  EXPECT_TRUE(
      log.says("[warning] service web: nobody more is ejected: 100% of the connections to 10.0.0.4:80 fail, but 2 "
               "of 4 backends are out of use and max_ejected is 0.5"))
      << log.text();
  sample();
  EXPECT_EQ(passive.panics("web"), 1u) << "still the same";
  sample(9'000);
  sample(2'000);
  EXPECT_TRUE(log.says("[info] service web: backends may be ejected again")) << log.text();
  EXPECT_EQ(passive.panics("dns"), std::nullopt);
}

TEST_F(Passive, who_is_on_trial_keeps_its_place) {
  count(0, 0, 10);
  count(1, 0, 10);
  sample();
  sample(11'000);
  ASSERT_EQ(state(0), BreakerState::half_open);
  ASSERT_EQ(state(1), BreakerState::half_open);
  count(2, 0, 10);
  sample();
  EXPECT_EQ(state(2), BreakerState::closed) << "both may fail their trial";
  count(0, 0, 4);
  sample();
  EXPECT_EQ(state(0), BreakerState::open);
}

TEST_F(Passive, who_is_down_or_disabled_counts) {
  overrides.merge(key(3), {.admin = Admin::disabled, .weight = {}});
  count(0, 0, 10);
  count(1, 0, 10);
  sample();
  EXPECT_EQ(state(0), BreakerState::open);
  EXPECT_EQ(state(1), BreakerState::closed) << "of three that are in use one may go";
}

TEST_F(Passive, resets_count_when_they_shall) {
  count(0, 10, 0, 10);
  EXPECT_FALSE(sample());
  config.services[0].passive_health.count_resets = true;
  watch();
  count(0, 10, 0, 10);
  EXPECT_TRUE(sample());
  EXPECT_EQ(state(0), BreakerState::open);
}

TEST_F(Passive, passing_checks_end_an_ejection_when_they_shall) {
  boost::asio::ip::tcp::acceptor listener(loop, {boost::asio::ip::address_v4::loopback(), 0});
  config::ServiceConfig& web = config.services[0];
  web.backends[0].endpoint = {*parse_ip("127.0.0.1"), Be16::from_host(listener.local_endpoint().port())};
  web.healthcheck = {.kind = config::CheckKind::ping, .interval_ms = 20, .timeout_ms = 20};
  fake.set_backend(0, 0, web.backends[0].endpoint);
  checks.reconcile({{key(0), std::make_shared<const config::HealthcheckConfig>(web.healthcheck)}});
  watch();
  count(0, 0, 10);
  EXPECT_TRUE(sample());
  const uint64_t before = checks.find(key(0))->check_count;
  ASSERT_TRUE(turn_until(loop, nullptr, [&] { return checks.find(key(0))->check_count >= before + 3; }));
  EXPECT_FALSE(sample());
  EXPECT_EQ(state(0), BreakerState::open) << "by itself they are no word about clients' connections";
  web.passive_health.checks_readmit = true;
  passive.reconcile({&config});
  EXPECT_TRUE(sample());
  EXPECT_EQ(state(0), BreakerState::closed);
  EXPECT_EQ(backend(0).health, Health::up);
}

TEST_F(Passive, of_a_service_without_it_nothing_is_known) {
  count(0, 0, 10);
  sample();
  EXPECT_FALSE(passive.table().empty());
  config.services[0].passive_health.enabled = false;
  passive.reconcile({&config});
  EXPECT_TRUE(passive.table().empty());
  EXPECT_EQ(passive.find(key(0)), nullptr);
  EXPECT_FALSE(passive.watches_any());
}

TEST_F(Passive, without_a_dataplane_time_goes_on) {
  count(0, 0, 10);
  sample();
  segment.reset();
  EXPECT_FALSE(sample());
  EXPECT_TRUE(sample(11'000));
  EXPECT_EQ(state(0), BreakerState::half_open);
}

}  // namespace
}  // namespace millrace::control
