#include "dataplane/link/snapshot_builder.h"

#include <gtest/gtest.h>

#include "tests/unit/link/commands.h"
#include "tests/unit/link/workers.h"

namespace millrace {
namespace {

class SnapshotBuilderTest : public testing::Test {
 protected:
  std::unique_ptr<Snapshot> build(DesiredModel model) {
    EXPECT_TRUE(slots_.assign(model));
    BuiltSnapshot built = builder_.build({model, slots_, departed_ranges_, addresses_});
    slots_.commit(model);
    model_ = std::move(model);
    conflict_ = built.conflict;
    return std::move(built.snapshot);
  }
  static TestTransaction transaction(Generation generation) {
    return TestTransaction(generation).snat_range(0, "10.72.0.10", "10.72.0.11", 1024, 65535);
  }
  const ServiceTables& tables(const Snapshot& snapshot, size_t ordinal) {
    return *snapshot.services[raw(model_.services[ordinal].slot)];
  }
  ServiceSlot find(const Snapshot& snapshot, const std::string& addr, uint16_t number, Proto proto = Proto::tcp) {
    return snapshot.vips.find_service({.addr = ip(addr), .port = port(number), .proto = proto});
  }

  TestWorkers workers_;
  SlotTable slots_{workers_.qsbr(), workers_.counters()};
  SnapshotBuilder builder_;
  DesiredModel model_;
  std::vector<SnatRangeCommand> departed_ranges_;
  std::vector<IpAddr> addresses_;
  std::string conflict_;
};

using SnapshotBuilder_build = SnapshotBuilderTest;
using SnapshotBuilder_wildcard = SnapshotBuilderTest;
using SnapshotBuilder_departed = SnapshotBuilderTest;
using SnapshotBuilder_with_changed = SnapshotBuilderTest;
using SnapshotBuilder_proxied = SnapshotBuilderTest;

TEST_F(SnapshotBuilder_build, carries_the_model_over) {
  SettingsCommand settings;
  settings.syn_sent_timeout_ms = 4321;
  const auto snapshot = build(TestTransaction(9)
                                  .settings(settings)
                                  .snat_range(3, "10.72.0.10", "10.72.0.11", 2000, 3000)
                                  .snat_range(0, "fd72::10", "fd72::10", 5000, 6000)
                                  .service("web", Mode::fullnat, Balance::leastconn)
                                  .bind(0, "203.0.113.10", 80)
                                  .backend(0, 0, "10.72.1.1", 5)
                                  .backend(0, 1, "10.72.1.2", 1, Health::down)
                                  .backend(0, 2, "fd72::21")
                                  .model());
  EXPECT_EQ(snapshot->generation, 9u);
  EXPECT_EQ(snapshot->settings.syn_sent_timeout_ms, 4321u);
  ASSERT_EQ(snapshot->snat_pools[3].ipv4.size(), 1u);
  EXPECT_EQ(snapshot->snat_pools[3].ipv4[0].port_last, 3000);
  ASSERT_EQ(snapshot->snat_pools[0].ipv6.size(), 1u);
  EXPECT_TRUE(snapshot->vips.is_snat(ip("10.72.0.11"), port(2500)));
  EXPECT_TRUE(snapshot->vips.find_address(ip("10.72.0.11"))->is_snat);
  EXPECT_TRUE(snapshot->vips.find_address(ip("203.0.113.10"))->is_vip);
  EXPECT_FALSE(snapshot->vips.find_address(ip("203.0.113.10"))->kernel_owned);
  EXPECT_EQ(find(*snapshot, "203.0.113.10", 80), model_.services[0].slot);
  const ServiceTables& web = tables(*snapshot, 0);
  EXPECT_EQ(web.name, "web");
  EXPECT_EQ(web.balance, Balance::leastconn);
  ASSERT_EQ(web.ipv4.targets.size(), 1u);
  EXPECT_EQ(web.ipv4.targets[0].slot, model_.services[0].backends[0].slot);
  EXPECT_EQ(web.ipv4.targets[0].weight, 5);
  ASSERT_EQ(web.ipv6.targets.size(), 1u);
}

TEST_F(SnapshotBuilder_build, marks_the_kernels_own_addresses) {
  addresses_ = {ip("203.0.113.10"), ip("10.72.0.10")};
  const auto snapshot = build(transaction(1).service("web").bind(0, "203.0.113.10", 80).model());
  EXPECT_TRUE(snapshot->vips.find_address(ip("203.0.113.10"))->kernel_owned);
  EXPECT_TRUE(snapshot->vips.find_address(ip("10.72.0.10"))->kernel_owned);
  EXPECT_FALSE(snapshot->vips.find_address(ip("10.72.0.11"))->kernel_owned);
}

TEST_F(SnapshotBuilder_build, knows_backends_of_nat_services_alone) {
  const auto snapshot = build(transaction(1)
                                  .service("web")
                                  .service("direct", Mode::nat, Balance::roundrobin, Proto::udp)
                                  .backend(0, 0, "10.72.1.1")
                                  .backend(1, 0, "10.72.1.2")
                                  .model());
  const auto known = [&](const std::string& addr, Proto proto) {
    return snapshot->vips.is_nat_backend({.addr = ip(addr), .port = port(80), .proto = proto});
  };
  EXPECT_TRUE(known("10.72.1.2", Proto::udp));
  EXPECT_FALSE(known("10.72.1.2", Proto::tcp));
  EXPECT_FALSE(known("10.72.1.1", Proto::tcp));
}

TEST_F(SnapshotBuilder_build, unchanged_services_share_their_tables) {
  const auto model = [](Generation generation, uint16_t weight) {
    return transaction(generation)
        .service("a", Mode::fullnat, Balance::maglev)
        .service("b", Mode::fullnat, Balance::maglev)
        .backend(0, 0, "10.72.1.1")
        .backend(1, 0, "10.72.1.1", weight)
        .model();
  };
  const auto before = build(model(1, 1));
  const auto after = build(model(2, 7));
  EXPECT_EQ(before->services[raw(model_.services[0].slot)], after->services[raw(model_.services[0].slot)]);
  EXPECT_NE(before->services[raw(model_.services[1].slot)], after->services[raw(model_.services[1].slot)]);
}

TEST_F(SnapshotBuilder_wildcard, means_every_address_of_its_family_but_link_local) {
  addresses_ = {ip("198.51.100.1"), ip("198.51.100.2"), ip("169.254.3.4"), ip("2001:db8::1"), ip("fe80::1")};
  const auto snapshot = build(transaction(1).service("web").bind(0, "0.0.0.0", 80).model());
  EXPECT_EQ(find(*snapshot, "198.51.100.1", 80), model_.services[0].slot);
  EXPECT_EQ(find(*snapshot, "198.51.100.2", 80), model_.services[0].slot);
  EXPECT_EQ(snapshot->vips.services().size(), 2u);
  EXPECT_TRUE(snapshot->vips.find_address(ip("198.51.100.1"))->kernel_owned);
  const auto six = build(transaction(2).service("web").bind(0, "::", 80).model());
  EXPECT_EQ(find(*six, "2001:db8::1", 80), model_.services[0].slot);
  EXPECT_EQ(six->vips.services().size(), 1u);
}

TEST_F(SnapshotBuilder_wildcard, yields_to_a_service_that_names_the_address) {
  addresses_ = {ip("198.51.100.1"), ip("198.51.100.2")};
  const auto snapshot =
      build(transaction(1).service("all").service("one").bind(0, "0.0.0.0", 80).bind(1, "198.51.100.2", 80).model());
  EXPECT_EQ(find(*snapshot, "198.51.100.1", 80), model_.services[0].slot);
  EXPECT_EQ(find(*snapshot, "198.51.100.2", 80), model_.services[1].slot);
}

TEST_F(SnapshotBuilder_wildcard, leaves_snat_ports_alone_and_says_so) {
  addresses_ = {ip("10.72.0.10"), ip("198.51.100.1")};
  const auto snapshot = build(transaction(1).service("web").bind(0, "0.0.0.0", 8080).model());
  EXPECT_EQ(find(*snapshot, "10.72.0.10", 8080), kNoService);
  EXPECT_EQ(find(*snapshot, "198.51.100.1", 8080), model_.services[0].slot);
  EXPECT_EQ(conflict_,
            "service web: its bind 0.0.0.0:8080 meets a SNAT range on 10.72.0.10; take port 8080 out of [snat] ports");
  build(transaction(2).service("web").bind(0, "0.0.0.0", 80).model());
  EXPECT_EQ(conflict_, "");
}

TEST_F(SnapshotBuilder_departed, is_served_without_backends_while_connections_live) {
  build(transaction(1)
            .service("old", Mode::nat)
            .bind(0, "203.0.113.10", 80)
            .bind(0, "203.0.113.10", 81)
            .backend(0, 0, "10.72.1.1")
            .model());
  const ServiceSlot old = model_.services[0].slot;
  workers_.backend(0, model_.services[0].backends[0].slot).active.set(1);
  // "new" takes one of its two binds.
  const auto snapshot = build(transaction(2).service("new").bind(0, "203.0.113.10", 81).model());
  EXPECT_EQ(find(*snapshot, "203.0.113.10", 80), old);
  EXPECT_EQ(find(*snapshot, "203.0.113.10", 81), model_.services[0].slot);
  ASSERT_TRUE(snapshot->services[raw(old)]);
  EXPECT_EQ(snapshot->services[raw(old)]->client_idle_timeout_ms, 60'000u);
  EXPECT_TRUE(snapshot->services[raw(old)]->ipv4.targets.empty());
  EXPECT_TRUE(snapshot->vips.is_nat_backend({.addr = ip("10.72.1.1"), .port = port(80), .proto = Proto::tcp}));

  workers_.backend(0, BackendSlot{0}).active.set(0);
  for (unsigned i = 0; i < 4; ++i) {
    workers_.all_quiet();
    slots_.reclaim();
  }
  const auto later = build(transaction(3).service("new").bind(0, "203.0.113.10", 81).model());
  EXPECT_EQ(find(*later, "203.0.113.10", 80), kNoService);
  EXPECT_FALSE(later->services[raw(old)]);
  EXPECT_TRUE(later->vips.nat_backends().empty());
}

TEST_F(SnapshotBuilder_departed, ranges_are_steered_but_not_dealt_and_yield_to_binds) {
  departed_ranges_ = {
      {.pool = 0, .port_first = 80, .port_last = 90, .first = ip("10.72.0.20"), .last = ip("10.72.0.20")}};
  const auto snapshot = build(transaction(1).service("web").bind(0, "10.72.0.20", 80).model());
  EXPECT_TRUE(snapshot->vips.is_snat(ip("10.72.0.20"), port(85)));
  EXPECT_TRUE(snapshot->vips.find_address(ip("10.72.0.20"))->is_snat);
  EXPECT_EQ(snapshot->snat_pools[0].ipv4.size(), 1u);
  EXPECT_EQ(find(*snapshot, "10.72.0.20", 80), model_.services[0].slot);
  EXPECT_EQ(conflict_, "");
}

TEST_F(SnapshotBuilder_with_changed, builds_that_service_and_shares_the_rest) {
  const auto before = build(transaction(4)
                                .service("a")
                                .service("b")
                                .bind(0, "203.0.113.10", 80)
                                .backend(0, 0, "10.72.1.1")
                                .backend(1, 0, "10.72.1.1")
                                .model());
  model_.services[1].backends[0].health = Health::down;
  const auto after = builder_.with_changed(*before, {&model_.services[1]});
  EXPECT_EQ(after->generation, 4u);
  EXPECT_EQ(find(*after, "203.0.113.10", 80), model_.services[0].slot);
  EXPECT_EQ(after->services[raw(model_.services[0].slot)], before->services[raw(model_.services[0].slot)]);
  EXPECT_TRUE(tables(*after, 1).ipv4.targets.empty());
  EXPECT_EQ(tables(*before, 1).ipv4.targets.size(), 1u);
}

TEST_F(SnapshotBuilder_proxied, carries_the_options_over) {
  const auto snapshot = build(transaction(1)
                                  .service("plain")
                                  .named("web", HostMatching::exact, UnexpectedHost::reject)
                                  .backend(1, 0, "10.72.1.1")
                                  .host(1, 0, "www.example.com")
                                  .model());
  EXPECT_TRUE(snapshot->any_spliced);
  EXPECT_FALSE(tables(*snapshot, 0).hosts);
  EXPECT_EQ(tables(*snapshot, 0).connect_timeout_ms, 0u);
  const ServiceTables& web = tables(*snapshot, 1);
  EXPECT_EQ(web.mode, Mode::proxy);
  EXPECT_EQ(web.snat_pool, 0);
  EXPECT_EQ(web.connect_timeout_ms, 3000u);
  EXPECT_EQ(web.hello_timeout_ms, 2000u);
  ASSERT_TRUE(web.hosts);

  DesiredModel automatic = transaction(2).service("plain").backend(0, 0, "10.72.1.1").model();
  automatic.services[0].syn_proxy = SynProxy::automatic;
  automatic.services[0].syn_rate = 77;
  automatic.services[0].backends[0].proxy_protocol = ProxyProtocol::v2;
  const auto second = build(std::move(automatic));
  EXPECT_TRUE(second->any_spliced);
  EXPECT_EQ(tables(*second, 0).syn_proxy, SynProxy::automatic);
  EXPECT_EQ(tables(*second, 0).syn_rate, 77u);
  EXPECT_EQ(tables(*second, 0).ipv4.targets.at(0).proxy_protocol, ProxyProtocol::v2);
  // What left it has its connections still.
  EXPECT_TRUE(build(transaction(3).service("plain").model())->any_spliced);
  EXPECT_FALSE(build(transaction(4).service("plain").service("web").model())->any_spliced);
}

TEST_F(SnapshotBuilder_proxied, names_lead_to_their_backends) {
  HostMatcher matcher;
  const auto slots = [&](const ServiceTables& web, const char* host) {
    std::vector<BackendSlot> found;
    const PickTable* table = web.hosts->find(host, Family::ipv4, matcher);
    if (table == nullptr) return std::vector{kNoBackend};
    for (const BackendTarget& target : table->targets) found.push_back(target.slot);
    return found;
  };
  for (const UnexpectedHost unexpected : {UnexpectedHost::fallback, UnexpectedHost::reject, UnexpectedHost::any}) {
    const auto snapshot = build(transaction(1)
                                    .named("web", HostMatching::exact, unexpected)
                                    .backend(0, 0, "10.72.1.1")
                                    .backend(0, 1, "10.72.1.2")
                                    .backend(0, 2, "10.72.1.3")
                                    .backend(0, 3, "10.72.1.4")
                                    .backend(0, 4, "10.72.1.5", 1, Health::down)
                                    .host(0, 0, "a.example")
                                    .host(0, 2, "a.example")
                                    .host(0, 1, "b.example")
                                    .host(0, 4, "c.example")
                                    .model());
    const ServiceTables& web = tables(*snapshot, 0);
    const std::vector<DesiredBackend>& b = model_.services[0].backends;
    EXPECT_EQ(slots(web, "a.example"), (std::vector{b[0].slot, b[2].slot}));
    EXPECT_EQ(slots(web, "b.example"), std::vector{b[1].slot});
    EXPECT_EQ(slots(web, "c.example"), std::vector<BackendSlot>{}) << "down is not unexpected";
    EXPECT_EQ(slots(web, "d.example"), unexpected == UnexpectedHost::fallback ? std::vector{b[3].slot}
                                       : unexpected == UnexpectedHost::reject
                                           ? std::vector{kNoBackend}
                                           : (std::vector{b[0].slot, b[1].slot, b[2].slot, b[3].slot}));
  }
}

TEST_F(SnapshotBuilder_proxied, a_change_of_health_compiles_nothing_again) {
  const auto before = build(transaction(1)
                                .named("web", HostMatching::regexp)
                                .backend(0, 0, "10.72.1.1")
                                .backend(0, 1, "10.72.1.2")
                                .host(0, 0, "^a")
                                .host(0, 1, "^a")
                                .model());
  const HostPattern* pattern = model_.services[0].hosts[0].pattern.get();
  const long holders = model_.services[0].hosts[0].pattern.use_count();
  model_.services[0].backends[0].health = Health::down;
  const auto after = builder_.with_changed(*before, {&model_.services[0]});
  EXPECT_TRUE(after->any_spliced);
  EXPECT_NE(tables(*after, 0).hosts, tables(*before, 0).hosts);
  EXPECT_EQ(model_.services[0].hosts[0].pattern.get(), pattern);
  EXPECT_EQ(model_.services[0].hosts[0].pattern.use_count(), holders + 1) << "held by the new table too";
  HostMatcher matcher;
  const PickTable* table = tables(*after, 0).hosts->find("abc", Family::ipv4, matcher);
  ASSERT_NE(table, nullptr);
  ASSERT_EQ(table->targets.size(), 1u);
  EXPECT_EQ(table->targets[0].slot, model_.services[0].backends[1].slot);
}

}  // namespace
}  // namespace millrace
