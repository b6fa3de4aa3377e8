#include "dataplane/link/publisher.h"

#include <gtest/gtest.h>

#include "tests/unit/link/commands.h"
#include "tests/unit/link/workers.h"

namespace millrace {
namespace {

class PublisherTest : public testing::Test {
 protected:
  PublisherTest() {
    state_.qsbr = workers_.qsbr();
    state_.slab = slab_;
    const SlotCounters rows = workers_.counters();
    state_.service_counters = rows.services;
    state_.backend_counters_own = rows.backends;
    state_.backend_handshakes = rows.handshakes;
    state_.service_lifetimes = rows.lifetimes;
    publisher_.emplace(state_, steering_, Directory(services_, backends_));
  }
  static DesiredModel web(Generation generation, unsigned backend_count = 2) {
    TestTransaction transaction(generation);
    transaction.snat_range(0, "10.72.0.10", "10.72.0.10").service("web").bind(0, "0.0.0.0", 80);
    for (uint16_t i = 0; i < backend_count; ++i) transaction.backend(0, i, "10.72.1." + std::to_string(i + 1));
    return transaction.model();
  }
  const Snapshot& snapshot() { return *state_.snapshot.load(); }
  const DesiredBackend& backend(size_t ordinal) { return publisher_->applied().services[0].backends[ordinal]; }
  void let_go() {
    for (unsigned i = 0; i < 4; ++i) {
      workers_.all_quiet();
      publisher_->collect();
      publisher_->reclaim();
    }
  }

  TestWorkers workers_;
  std::vector<ConnEntry> slab_ = std::vector<ConnEntry>(16);
  ProcessState state_;
  Steering steering_{{}};
  std::vector<ServiceInfo> services_ = std::vector<ServiceInfo>(kServiceMax);
  std::vector<BackendInfo> backends_ = std::vector<BackendInfo>(kBackendMax);
  std::optional<Publisher> publisher_;
};

using Publisher_construct = PublisherTest;
using Publisher_apply = PublisherTest;
using Publisher_set_backend = PublisherTest;
using Publisher_set_addresses = PublisherTest;
using Publisher_collect = PublisherTest;

TEST_F(Publisher_construct, workers_find_empty_tables) {
  EXPECT_EQ(snapshot().generation, 0u);
  EXPECT_EQ(snapshot().services.size(), kServiceMax);
  RouteHop hop;
  EXPECT_FALSE(state_.routes.load()->lookup(ip("10.0.0.1"), hop));
}

TEST_F(Publisher_apply, the_blocklist_comes_and_goes) {
  DesiredModel blocking = web(3);
  blocking.blocklist = compile_blocklist({{ip("192.0.2.0"), 24}});
  EXPECT_EQ(publisher_->apply(std::move(blocking)), RejectReason::none);
  EXPECT_TRUE(snapshot().blocklist->holds(ip("192.0.2.1")));
  EXPECT_TRUE(publisher_->set_addresses({ip("203.0.113.1")}));
  EXPECT_TRUE(snapshot().blocklist->holds(ip("192.0.2.1"))) << "the host's addresses have nothing to do with it";
  EXPECT_EQ(publisher_->apply(web(4)), RejectReason::none);
  EXPECT_EQ(snapshot().blocklist, nullptr);
}

TEST_F(Publisher_apply, makes_backends_eligible_and_fills_the_directory) {
  EXPECT_EQ(publisher_->apply(web(3)), RejectReason::none);
  EXPECT_EQ(snapshot().generation, 3u);
  EXPECT_EQ(publisher_->applied().generation, 3u);
  EXPECT_TRUE(state_.eligible.read(backend(0).slot));
  const ServiceInfo& service = services_[raw(publisher_->applied().services[0].slot)];
  EXPECT_EQ(service.in_use, 1);
  EXPECT_STREQ(service.name, "web");
  EXPECT_EQ(service.version.load() % 2, 0u);
  const BackendInfo& info = backends_[raw(backend(1).slot)];
  EXPECT_EQ(info.in_use, 1);
  EXPECT_EQ(info.addr, ip("10.72.1.2"));
  EXPECT_EQ(info.service, publisher_->applied().services[0].slot);
}

TEST_F(Publisher_apply, what_is_gone_gets_nothing_new_and_leaves_when_its_last_connection_ends) {
  publisher_->apply(web(1, 2));
  const BackendSlot gone = backend(1).slot;
  workers_.backend(0, gone).active.set(1);
  publisher_->apply(web(2, 1));
  EXPECT_FALSE(state_.eligible.read(gone));
  EXPECT_EQ(backends_[raw(gone)].in_use, 2);
  let_go();
  EXPECT_EQ(backends_[raw(gone)].in_use, 2);
  workers_.backend(0, gone).active.set(0);
  let_go();
  EXPECT_EQ(backends_[raw(gone)].in_use, 0);
}

TEST_F(Publisher_apply, a_refused_one_leaves_the_old_whole) {
  ASSERT_EQ(publisher_->apply(web(1)), RejectReason::none);
  const Snapshot* before = &snapshot();
  TestTransaction too_many(2);
  too_many.snat_range(0, "10.72.0.10", "10.72.0.10");
  for (uint16_t s = 0; s < 16; ++s) too_many.service("s" + std::to_string(s));
  for (uint16_t s = 0; s < 16; ++s)
    for (uint16_t b = 0; b < (s < 15 ? kBackendPerServiceMax : kBackendPerServiceMax - 1); ++b)
      too_many.backend(s, b, "10.1." + std::to_string(b / 256) + "." + std::to_string(b % 256));
  // Every slot would be used, but two are held by connections of what would leave.
  workers_.backend(0, backend(0).slot).active.set(1);
  EXPECT_EQ(publisher_->apply(too_many.model()), RejectReason::too_many);
  EXPECT_FALSE(publisher_->last_error().empty());
  EXPECT_EQ(&snapshot(), before);
  EXPECT_EQ(publisher_->applied().generation, 1u);
  EXPECT_TRUE(state_.eligible.read(backend(0).slot));
  EXPECT_EQ(publisher_->apply(web(3)), RejectReason::none);
}

TEST_F(Publisher_apply, refuses_a_wildcard_bind_inside_a_snat_range) {
  ASSERT_TRUE(publisher_->set_addresses({ip("10.72.0.10")}));
  const auto with_bind = [](Generation generation, uint16_t number) {
    return TestTransaction(generation)
        .snat_range(0, "10.72.0.10", "10.72.0.10")
        .service("web")
        .bind(0, "0.0.0.0", number)
        .model();
  };
  EXPECT_EQ(publisher_->apply(with_bind(1, 8080)), RejectReason::bind_is_snat);
  EXPECT_NE(publisher_->last_error().find("8080"), std::string::npos);
  EXPECT_EQ(publisher_->apply(with_bind(2, 80)), RejectReason::none);
}

TEST_F(Publisher_apply, a_departed_snat_range_stays_until_its_last_connection_ends) {
  const auto with_pool = [](Generation generation, const std::string& addr) {
    return TestTransaction(generation).snat_range(0, addr, addr).service("web").model();
  };
  const auto is_snat = [&](const std::string& addr) { return snapshot().vips.is_snat(ip(addr), port(5000)); };
  publisher_->apply(with_pool(1, "10.72.0.10"));
  ConnEntry& entry = slab_[7];
  entry.state = ConnState::established;
  entry.family = Family::ipv4;
  entry.mode = Mode::fullnat;
  entry.snat4 = ip("10.72.0.10").ipv4();
  entry.snat_port = port(5000);
  publisher_->apply(with_pool(2, "10.72.0.11"));
  let_go();
  EXPECT_TRUE(is_snat("10.72.0.10"));
  EXPECT_TRUE(is_snat("10.72.0.11"));
  ASSERT_EQ(snapshot().snat_pools[0].ipv4.size(), 1u);
  EXPECT_EQ(snapshot().snat_pools[0].ipv4[0].first, ip("10.72.0.11"));
  entry.state = ConnState::free;
  let_go();
  EXPECT_FALSE(is_snat("10.72.0.10"));
  EXPECT_TRUE(is_snat("10.72.0.11"));
}

class Publisher_slow_start : public PublisherTest {
 protected:
  Publisher_slow_start() {
    DesiredModel model = web(1, 3);
    model.services[0].slow_start_ms = 30'000;
    publisher_->apply(std::move(model));
  }
  void set(uint16_t ordinal, Health health) {
    publisher_->set_backend({.backend = BackendOrdinal{ordinal}, .fields = kSetHealth, .health = health});
  }
  bool is_warming(size_t ordinal) { return state_.eligible.warming_since_ms(backend(ordinal).slot) != 0; }
};

TEST_F(Publisher_slow_start, of_who_comes_back_to_others_that_serve) {
  for (size_t ordinal = 0; ordinal < 3; ++ordinal) EXPECT_FALSE(is_warming(ordinal)) << "all are new";
  set(1, Health::down);
  set(1, Health::up);
  EXPECT_FALSE(is_warming(0));
  EXPECT_TRUE(is_warming(1));
  set(1, Health::up);
  EXPECT_TRUE(is_warming(1));
}

TEST_F(Publisher_slow_start, not_of_who_comes_back_first) {
  for (uint16_t ordinal = 0; ordinal < 3; ++ordinal) set(ordinal, Health::down);
  set(2, Health::up);
  EXPECT_FALSE(is_warming(2));
  set(0, Health::up);
  EXPECT_TRUE(is_warming(0));
}

TEST_F(Publisher_slow_start, of_a_new_backend) {
  DesiredModel model = web(2, 4);
  model.services[0].slow_start_ms = 30'000;
  publisher_->apply(std::move(model));
  EXPECT_FALSE(is_warming(2));
  EXPECT_TRUE(is_warming(3));
}

TEST_F(Publisher_slow_start, begins_when_a_trial_has_ended) {
  const auto try_again = [&](uint8_t trial) {
    publisher_->set_backend(
        {.backend = BackendOrdinal{1}, .fields = kSetHealth | kSetTrial, .health = Health::up, .trial = trial});
  };
  set(1, Health::down);
  try_again(26);
  EXPECT_TRUE(state_.eligible.read(backend(1).slot));
  EXPECT_EQ(state_.eligible.trial(backend(1).slot), 26u);
  EXPECT_TRUE(state_.eligible.is_on_trial(backend(1).slot));
  EXPECT_FALSE(is_warming(1));
  try_again(0);
  EXPECT_FALSE(state_.eligible.is_on_trial(backend(1).slot));
  EXPECT_TRUE(is_warming(1));
}

TEST_F(Publisher_set_backend, tells_udp_sessions_when_to_move) {
  DesiredModel model = web(1);
  model.services[0].proto = Proto::udp;
  publisher_->apply(std::move(model));
  const BackendSlot slot = backend(0).slot;
  const auto say = [&](uint32_t fields, Health health, Admin admin) {
    publisher_->set_backend({.fields = fields, .health = health, .admin = admin});
    publisher_->flush();
  };
  EXPECT_FALSE(snapshot().any_lost);
  say(kSetAdmin, Health::up, Admin::drain);
  EXPECT_FALSE(state_.eligible.is_lost(slot));
  EXPECT_FALSE(snapshot().any_lost);
  say(kSetAdmin, Health::up, Admin::disabled);
  EXPECT_TRUE(state_.eligible.is_lost(slot));
  EXPECT_TRUE(snapshot().any_lost);
  say(kSetAdmin, Health::up, Admin::enabled);
  EXPECT_TRUE(state_.eligible.read(slot));
  EXPECT_FALSE(snapshot().any_lost);
  say(kSetHealth, Health::down, Admin::enabled);
  EXPECT_TRUE(state_.eligible.is_lost(slot));
  EXPECT_TRUE(snapshot().any_lost);
}

TEST_F(Publisher_set_backend, acts_at_once_and_on_the_tables_with_flush) {
  publisher_->apply(web(1));
  const Snapshot* before = &snapshot();
  publisher_->set_backend({.backend = BackendOrdinal{1}, .fields = kSetHealth, .health = Health::down});
  EXPECT_FALSE(state_.eligible.read(backend(1).slot));
  EXPECT_EQ(backends_[raw(backend(1).slot)].health, Health::down);
  EXPECT_EQ(&snapshot(), before);
  publisher_->flush();
  EXPECT_NE(&snapshot(), before);
  EXPECT_EQ(snapshot().generation, 1u);
  EXPECT_EQ(snapshot().services[0]->ipv4.targets.size(), 1u);
  before = &snapshot();
  publisher_->flush();
  EXPECT_EQ(&snapshot(), before);
}

TEST_F(Publisher_set_backend, changes_only_the_named_fields) {
  publisher_->apply(web(1));
  publisher_->set_backend({.fields = kSetWeight, .weight = 9, .health = Health::down, .admin = Admin::disabled});
  EXPECT_EQ(backend(0).weight, 9);
  EXPECT_EQ(backend(0).health, Health::up);
  EXPECT_EQ(backend(0).admin, Admin::enabled);
  publisher_->set_backend({.fields = kSetAdmin, .admin = Admin::drain});
  EXPECT_EQ(backend(0).admin, Admin::drain);
  EXPECT_FALSE(state_.eligible.read(backend(0).slot));
  publisher_->set_backend({.fields = kSetAdmin, .admin = Admin::enabled});
  EXPECT_TRUE(state_.eligible.read(backend(0).slot));
  publisher_->set_backend({.fields = kSetWeight, .weight = 0});
  EXPECT_FALSE(state_.eligible.read(backend(0).slot));
}

TEST_F(Publisher_set_addresses, wildcard_binds_follow) {
  publisher_->apply(web(1));
  EXPECT_TRUE(snapshot().vips.services().empty());
  EXPECT_TRUE(publisher_->set_addresses({ip("198.51.100.1")}));
  EXPECT_EQ(snapshot().vips.services().size(), 1u);
  EXPECT_EQ(snapshot().generation, 1u);
  EXPECT_TRUE(publisher_->set_addresses({}));
  EXPECT_TRUE(snapshot().vips.services().empty());
}

TEST_F(Publisher_collect, frees_old_tables_only_when_all_workers_were_quiet) {
  publisher_->apply(web(1));
  std::weak_ptr<const ServiceTables> old = snapshot().services[0];
  publisher_->apply(web(2, 1));
  workers_.quiet(0);
  publisher_->collect();
  EXPECT_FALSE(old.expired());
  workers_.quiet(1);
  publisher_->collect();
  EXPECT_TRUE(old.expired());
}

TEST_F(Publisher_collect, stuck_workers_stop_changes_instead_of_filling_memory) {
  publisher_->apply(web(1));
  for (unsigned i = 0; i < kRetiredMax; ++i) {
    publisher_->set_backend({.fields = kSetWeight, .weight = static_cast<uint16_t>(i + 1)});
    publisher_->flush();
  }
  EXPECT_TRUE(publisher_->must_wait());
  const Snapshot* stuck = &snapshot();
  publisher_->set_backend({.fields = kSetWeight, .weight = 99});
  publisher_->flush();
  EXPECT_EQ(&snapshot(), stuck);
  let_go();
  EXPECT_FALSE(publisher_->must_wait());
  publisher_->flush();
  EXPECT_EQ(snapshot().services[0]->ipv4.targets[0].weight, 99);
}

}  // namespace
}  // namespace millrace
