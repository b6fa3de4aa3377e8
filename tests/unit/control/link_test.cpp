// link_test.cpp: the link against the other side of a real segment: handshake, small changes, refusal, full ring,
// death and replacement, nonsense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstring>
#include <filesystem>

#include "controlplane/link/dataplane_link.h"
#include "controlplane/link/event_reader.h"
#include "controlplane/link/monotonic.h"
#include "controlplane/state/diff.h"
#include "tests/unit/control/log_capture.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;

OwnerLock take_lock(const std::string& path) {
  std::string problem;
  std::optional<OwnerLock> lock = OwnerLock::take(path, problem);
  EXPECT_TRUE(lock) << problem;
  return std::move(*lock);
}

struct DataplaneLink_ : testing::Test {
  TempDir dir;
  std::string path = dir.path("segment");
  boost::asio::io_context loop;
  DataplaneLink link{loop.get_executor(), path, take_lock(path)};
  std::unique_ptr<FakeDataplane> fake;
  config::Config config = sample_config();

  void SetUp() override { boost::asio::co_spawn(loop, link.run(), boost::asio::detached); }
  uint64_t want(const config::Config& wanted) {
    return link.set_desired(std::make_shared<const DesiredState>(compute_desired_state(wanted, {}, {})));
  }
  bool until(const std::function<bool()>& is_so) { return turn_until(loop, fake.get(), is_so); }
  bool until_applied() {
    return until([&] { return link.status().sync == SyncState::applied; });
  }
  void turn_for(std::chrono::milliseconds time) {
    turn_until(
        loop, fake.get(), [] { return false; }, time);
  }
  // Joined and at rest, with everything sent so far taken.
  void settle() {
    fake = std::make_unique<FakeDataplane>(path);
    want(config);
    ASSERT_TRUE(until_applied());
    fake->take_commands();
  }
  static std::vector<CommandKind> kinds(const std::vector<Command>& commands) {
    std::vector<CommandKind> kinds;
    for (const Command& command : commands) kinds.push_back(command.kind);
    return kinds;
  }
};

TEST_F(DataplaneLink_, waits_for_a_dataplane_then_sends_everything) {
  want(config);
  turn_for(std::chrono::milliseconds(200));
  EXPECT_FALSE(link.status().connected);
  EXPECT_THAT(link.status().problem, HasSubstr("start millrace-dataplane"));
  fake = std::make_unique<FakeDataplane>(path);
  fake->header().applied_generation.store(41);
  ASSERT_TRUE(until_applied());
  const std::vector<Command> sent = fake->take_commands();
  EXPECT_EQ(sent.size(), 12u);
  EXPECT_EQ(sent.front().kind, CommandKind::begin);
  EXPECT_EQ(sent.back().kind, CommandKind::commit);
  EXPECT_EQ(sent.back().generation, 42u);
  for (size_t i = 1; i < sent.size(); ++i) EXPECT_EQ(sent[i].sequence, sent[i - 1].sequence + 1);
  EXPECT_EQ(link.status().generation_applied, 42u);
  EXPECT_TRUE(until([&] { return fake->header().control_pid.load() == static_cast<uint32_t>(getpid()); }));
}

TEST_F(DataplaneLink_, a_dead_dataplane_is_not_joined) {
  fake = std::make_unique<FakeDataplane>(path);
  fake.reset();
  turn_for(std::chrono::milliseconds(200));
  EXPECT_FALSE(link.status().connected);
  EXPECT_THAT(link.status().problem, HasSubstr("is not running"));
}

TEST_F(DataplaneLink_, health_goes_as_one_small_message) {
  settle();
  const HealthTable down = {{BackendKey("web", endpoint("10.0.0.2:80")), Health::down}};
  config.services[0].healthcheck.kind = config::CheckKind::ping;
  link.set_desired(std::make_shared<const DesiredState>(compute_desired_state(config, {}, down)));
  // No turn of the link is needed: the message is already on the ring.
  fake->turn();
  const std::vector<Command> sent = fake->take_commands();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].kind, CommandKind::set_backend);
  EXPECT_EQ(sent[0].generation, link.status().generation_applied);
  EXPECT_EQ(sent[0].body.set_backend.backend, BackendOrdinal{1});
  EXPECT_EQ(sent[0].body.set_backend.health, Health::down);
}

TEST_F(DataplaneLink_, what_changes_meanwhile_follows_the_answer) {
  settle();
  fake->reading = false;
  config.services[0].backends.push_back({endpoint("10.0.0.9:80"), 1, 0});
  want(config);
  config.services[0].backends[0].weight = 50;
  const uint64_t last = want(config);
  EXPECT_EQ(link.outcome(last), Outcome::pending);
  fake->reading = true;
  ASSERT_TRUE(until([&] { return link.outcome(last) == Outcome::applied; }));
  fake->turn();
  const std::vector<Command> sent = fake->take_commands();
  EXPECT_EQ(sent[sent.size() - 2].kind, CommandKind::commit);
  EXPECT_EQ(sent.back().kind, CommandKind::set_backend);
  EXPECT_EQ(sent.back().generation, sent[sent.size() - 2].generation);
  EXPECT_EQ(sent.back().body.set_backend.weight, 50);
}

TEST_F(DataplaneLink_, rejection_names_the_item_and_stays_visible) {
  settle();
  fake->verdict = [](const std::vector<Command>& transaction) {
    Event event;
    event.kind = EventKind::rejected;
    event.reason = RejectReason::steer_failed;
    for (const Command& command : transaction)
      if (command.kind == CommandKind::bind) event.sequence = command.sequence;
    return event;
  };
  const Generation before = link.status().generation_applied;
  config.services[1].binds = {endpoint("203.0.113.99:53")};
  const uint64_t revision = want(config);
  ASSERT_TRUE(until([&] { return link.outcome(revision) == Outcome::rejected; }));
  const LinkStatus status = link.status();
  EXPECT_EQ(status.sync, SyncState::rejected);
  ASSERT_TRUE(status.rejection);
  EXPECT_EQ(status.rejection->reason, "steer_failed");
  EXPECT_EQ(status.rejection->item, "bind 203.0.113.99:53 of service dns");
  EXPECT_EQ(status.generation_applied, before);
  EXPECT_EQ(status.generation_sent, before + 1);
  // The same state is not sent again at once, another one is.
  turn_for(std::chrono::milliseconds(100));
  EXPECT_EQ(fake->commits, 2u);
  fake->verdict = nullptr;
  config.services[1].binds = {endpoint("203.0.113.98:53")};
  want(config);
  EXPECT_TRUE(until_applied());
  EXPECT_FALSE(link.status().rejection);
}

TEST_F(DataplaneLink_, rejected_small_message_resends_everything) {
  settle();
  config.services[0].backends[0].weight = 50;
  want(config);
  fake->turn();
  const std::vector<Command> sent = fake->take_commands();
  ASSERT_EQ(kinds(sent), std::vector{CommandKind::set_backend});
  Event event;
  event.kind = EventKind::rejected;
  event.reason = RejectReason::stale_generation;
  event.sequence = sent[0].sequence;
  event.generation = sent[0].generation;
  fake->tell(event);
  ASSERT_TRUE(until([&] { return fake->commits == 2; }));
  EXPECT_TRUE(until_applied());
}

TEST_F(DataplaneLink_, a_taken_generation_is_passed_over) {
  fake = std::make_unique<FakeDataplane>(path);
  unsigned refusals = 0;
  fake->verdict = [&](const std::vector<Command>& transaction) -> std::optional<Event> {
    if (++refusals > 1) return std::nullopt;
    Event event;
    event.kind = EventKind::rejected;
    event.reason = RejectReason::bad_generation;
    event.sequence = transaction.front().sequence;
    return event;
  };
  const uint64_t revision = want(config);
  ASSERT_TRUE(until([&] { return link.outcome(revision) != Outcome::pending && link.status().connected; }));
  EXPECT_EQ(link.outcome(revision), Outcome::applied);
  EXPECT_EQ(link.status().generation_applied, 2u);
}

TEST_F(DataplaneLink_, answers_to_an_earlier_millraced_are_ignored) {
  fake = std::make_unique<FakeDataplane>(path);
  Event old;
  old.kind = EventKind::rejected;
  old.reason = RejectReason::bad_field;
  old.generation = 1;
  old.sequence = 12;
  fake->tell(old);
  want(config);
  ASSERT_TRUE(until([&] { return link.status().connected; }));
  fake->tell(old);
  EXPECT_TRUE(until_applied());
  EXPECT_FALSE(link.status().rejection);
}

TEST_F(DataplaneLink_, full_ring_loses_nothing) {
  config.services[0].backends.clear();
  for (unsigned i = 0; i < kBackendPerServiceMax; ++i)
    config.services[0].backends.push_back(
        {{IpAddr::from_ipv4(Be32::from_host(0x0a000000 + i)), Be16::from_host(80)}, 1, 0});
  config.services.push_back(config.services[0]);
  config.services[2].name = "web2";
  config.services[2].binds = {endpoint("203.0.113.11:80")};
  fake = std::make_unique<FakeDataplane>(path);
  fake->reading = false;
  const uint64_t revision = want(config);
  ASSERT_TRUE(until([&] { return link.status().connected; }));
  turn_for(std::chrono::milliseconds(100));
  EXPECT_EQ(link.outcome(revision), Outcome::pending);
  fake->reading = true;
  ASSERT_TRUE(until_applied());
  const std::vector<Command> sent = fake->take_commands();
  ASSERT_GT(sent.size(), 2u * kBackendPerServiceMax);
  EXPECT_EQ(sent.size(), 3u + 1 + 3 + 4 + 2 * kBackendPerServiceMax + 1);
  for (size_t i = 1; i < sent.size(); ++i) ASSERT_EQ(sent[i].sequence, sent[i - 1].sequence + 1);
}

TEST_F(DataplaneLink_, killed_and_replaced_dataplane_gets_everything_again) {
  settle();
  fake.reset();
  ASSERT_TRUE(until([&] { return !link.status().connected; }));
  EXPECT_EQ(link.segment(), nullptr);
  fake = std::make_unique<FakeDataplane>(path);
  fake->header().applied_generation.store(500);
  ASSERT_TRUE(until_applied());
  EXPECT_EQ(link.status().generation_applied, 501u);
  EXPECT_EQ(fake->take_commands().size(), 12u);
}

TEST_F(DataplaneLink_, replaced_file_is_followed) {
  settle();
  const std::shared_ptr<const Segment> old = link.segment();
  fake.reset();
  fake = std::make_unique<FakeDataplane>(path);
  ASSERT_TRUE(until([&] { return link.segment() && link.segment() != old && fake->commits == 1; }));
  EXPECT_TRUE(until_applied());
}

TEST_F(DataplaneLink_, hung_dataplane_is_kept_and_told_later) {
  settle();
  fake->beating = fake->reading = false;
  ASSERT_TRUE(until([&] { return link.status().stalled; }));
  EXPECT_TRUE(link.status().connected);
  config.services[0].backends.pop_back();
  const uint64_t revision = want(config);
  EXPECT_EQ(link.outcome(revision), Outcome::no_dataplane);
  fake->beating = fake->reading = true;
  ASSERT_TRUE(until([&] { return link.outcome(revision) == Outcome::applied; }));
  EXPECT_EQ(fake->commits, 2u) << "no rejoin, no second copy";
}

TEST_F(DataplaneLink_, lost_answer_is_read_from_the_header) {
  settle();
  fake->answering = false;
  config.services[0].backends.pop_back();
  const uint64_t revision = want(config);
  ASSERT_TRUE(until([&] { return fake->commits == 2; }));
  EXPECT_EQ(link.outcome(revision), Outcome::pending);
  fake->header().applied_generation.store(link.status().generation_sent);
  EXPECT_TRUE(until([&] { return link.outcome(revision) == Outcome::applied; }));
}

TEST_F(DataplaneLink_, impossible_events_are_counted_not_followed) {
  settle();
  Event event;
  event.kind = EventKind{99};
  fake->tell(event);
  event.kind = EventKind::slab_full;
  event.count = 0;
  fake->tell(event);
  event.kind = EventKind::rejected;
  event.reason = RejectReason{999};
  fake->tell(event);
  EXPECT_TRUE(until([&] { return link.status().events_malformed == 3; }));
  EXPECT_TRUE(link.status().connected);
}

TEST_F(DataplaneLink_, refused_clients_are_told_by_service_and_not_too_often) {
  settle();
  fake->set_service(3, "web");
  const LogCapture log;
  const auto tell = [&](uint16_t service, uint32_t count) {
    Event event;
    event.kind = EventKind::client_refused;
    event.service = ServiceSlot{service};
    event.backend = kNoBackend;
    event.count = count;
    fake->tell(event);
  };
  tell(3, 5);
  ASSERT_TRUE(until([&] { return log.says("service web: no backend took 5 proven clients"); })) << log.text();
  tell(3, 70);
  tell(4, 71);
  turn_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(log.says("70") || log.says("71")) << "added up until the next warning";
  EXPECT_THAT(log.text(), HasSubstr("[warning]"));
}

TEST_F(DataplaneLink_, syn_floods_are_told) {
  settle();
  fake->set_service(3, "web");
  const LogCapture log;
  Event event;
  event.service = ServiceSlot{3};
  event.backend = kNoBackend;
  event.count = 1;
  event.kind = EventKind::syn_proxy_on;
  fake->tell(event);
  ASSERT_TRUE(until([&] { return log.says("[warning] service web: SYNs come faster than its syn_proxy_rate"); }))
      << log.text();
  event.kind = EventKind::syn_proxy_off;
  fake->tell(event);
  EXPECT_TRUE(until([&] { return log.says("[info] service web: SYNs come slowly again"); })) << log.text();
}

TEST_F(DataplaneLink_, corrupt_rings_are_left) {
  settle();
  auto* ring = fake->section<rte_ring>(SectionKind::event_ring);
  ring->prod.tail = ring->cons.tail + kEventRingSlots * 3;
  ASSERT_TRUE(until([&] { return !link.status().connected; }));
  EXPECT_THAT(link.status().problem, HasSubstr("corrupt"));
}

TEST_F(DataplaneLink_, ring_laid_anew_is_joined_anew) {
  settle();
  const size_t bytes = fake->header().sections[static_cast<size_t>(SectionKind::command_ring)].bytes;
  fake->relay_commands(bytes);
  EXPECT_TRUE(until([&] { return !link.status().connected; }));
  EXPECT_TRUE(until([&] { return fake->commits == 2 && link.status().sync == SyncState::applied; }));
}

TEST_F(DataplaneLink_, corrupt_generation_is_not_joined) {
  fake = std::make_unique<FakeDataplane>(path);
  fake->header().applied_generation.store(~uint64_t{0});
  want(config);
  turn_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(link.status().connected);
  EXPECT_THAT(link.status().problem, HasSubstr("applied generation is corrupt"));
}

TEST(is_valid_event, checks_every_field) {
  Event applied;
  applied.kind = EventKind::applied;
  EXPECT_FALSE(is_valid_event(applied)) << "generation 0 cannot be applied";
  applied.generation = 1;
  EXPECT_TRUE(is_valid_event(applied));
  applied.reserved[31] = 1;
  EXPECT_FALSE(is_valid_event(applied));
  Event rejected;
  rejected.kind = EventKind::rejected;
  EXPECT_FALSE(is_valid_event(rejected)) << "rejected for no reason";
  rejected.reason = RejectReason::steer_failed;
  EXPECT_TRUE(is_valid_event(rejected));
  Event failed;
  failed.kind = EventKind::connect_failed;
  failed.count = 1;
  EXPECT_TRUE(is_valid_event(failed));
  failed.service = kNoService;
  EXPECT_FALSE(is_valid_event(failed));
  for (const EventKind kind : {EventKind::client_refused, EventKind::syn_proxy_on, EventKind::syn_proxy_off,
                               EventKind::backends_full, EventKind::service_full}) {
    Event of_service{.kind = kind};
    of_service.backend = kNoBackend;
    EXPECT_FALSE(is_valid_event(of_service)) << "of nobody";
    of_service.count = 1;
    EXPECT_TRUE(is_valid_event(of_service));
    of_service.service = kNoService;
    EXPECT_FALSE(is_valid_event(of_service));
  }
}

}  // namespace
}  // namespace millrace::control
