// automatic_snat_test.cpp: pools of the host's own addresses.
#include "controlplane/state/automatic_snat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/state/desired_state.h"
#include "controlplane/state/diff.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

IpAddr ip(const std::string& text) { return parse_ip(text).value(); }

// sample_config() whose service web takes the host's own addresses; ports 61000 to 65535.
config::Config automatic_config() {
  config::Config config = sample_config();
  config.snat_pools = {{.name = "auto", .automatic = config::SnatPoolConfig::Automatic{61000, 65535}}};
  config.services[0].pool = "auto";
  return config;
}

DesiredState desired(const config::Config& config, const SourceTable& sources) {
  return compute_desired_state(config, {}, {}, sources);
}

std::vector<std::pair<uint16_t, uint16_t>> ports_of(const DesiredState& state, uint16_t pool) {
  std::vector<std::pair<uint16_t, uint16_t>> ports;
  for (const SnatRangeCommand& range : state.snat_ranges)
    if (range.pool == pool) ports.emplace_back(range.port_first, range.port_last);
  return ports;
}

TEST(find_sources, asks_once_for_each_backend_of_an_automatic_pool) {
  config::Config config = automatic_config();
  config.services.push_back(config.services[0]);
  config.services[2].name = "again";
  std::vector<IpAddr> asked;
  const SourceTable sources = find_sources(config, [&](const IpAddr& backend) {
    asked.push_back(backend);
    return std::optional(ip("10.0.0.250"));
  });
  EXPECT_THAT(asked, testing::UnorderedElementsAre(ip("10.0.0.1"), ip("10.0.0.2"))) << "dns is in mode nat";
  EXPECT_EQ(sources.at(ip("10.0.0.1")), ip("10.0.0.250"));
}

TEST(find_sources, of_a_file_with_addresses_asks_nothing) {
  EXPECT_TRUE(find_sources(sample_config(), [](const IpAddr&) -> std::optional<IpAddr> {
                ADD_FAILURE();
                return std::nullopt;
              }).empty());
}

TEST(find_sources, takes_no_loopback_and_not_the_backend_itself) {
  const auto found = [](const std::string& source) {
    return find_sources(automatic_config(), [&](const IpAddr&) { return std::optional(ip(source)); })
        .at(ip("10.0.0.1"));
  };
  EXPECT_EQ(found("127.0.0.1"), std::nullopt);
  EXPECT_EQ(found("10.0.0.1"), std::nullopt);
  EXPECT_EQ(found("10.0.0.7"), ip("10.0.0.7"));
}

TEST(compute_desired_state, each_source_is_a_pool_and_services_share_it) {
  config::Config config = automatic_config();
  config.services.push_back(config.services[0]);
  config.services[2].binds = {endpoint("203.0.113.11:80")};
  const DesiredState state = desired(config, {{ip("10.0.0.1"), ip("10.0.0.250")}, {ip("10.0.0.2"), ip("10.0.1.250")}});
  ASSERT_EQ(state.snat_pools.size(), 3u);
  EXPECT_EQ(state.snat_pools[1].name, "auto-10.0.0.250");
  EXPECT_TRUE(state.snat_pools[1].automatic);
  EXPECT_EQ(state.snat_pools[2].name, "auto-10.0.1.250");
  for (const size_t service : {0, 2}) {
    EXPECT_EQ(state.services[service].snat_pool, kNoSnatPool);
    EXPECT_EQ(state.services[service].backends[0].snat_pool, 1);
    EXPECT_EQ(state.services[service].backends[1].snat_pool, 2);
  }
  EXPECT_EQ(state.services[1].backends[0].snat_pool, kNoSnatPool);
  EXPECT_THAT(ports_of(state, 0), testing::IsEmpty());
  EXPECT_THAT(ports_of(state, 1), testing::ElementsAre(std::pair(61000, 65535)));
}

TEST(compute_desired_state, ports_that_are_bound_are_left_out) {
  config::Config config = automatic_config();
  config.services[1].binds = {endpoint("0.0.0.0:61000"), endpoint("10.0.0.250:62000"), endpoint("10.0.0.251:63000"),
                              endpoint("[::]:64000"), endpoint("0.0.0.0:65535")};
  config.snat_pools.push_back({"other", {{ip("10.0.0.240"), ip("10.0.0.255"), 50000, 61009}}});
  const DesiredState state = desired(config, {{ip("10.0.0.1"), ip("10.0.0.250")}, {ip("10.0.0.2"), ip("10.0.0.250")}});
  EXPECT_THAT(ports_of(state, 2), testing::ElementsAre(std::pair(61010, 61999), std::pair(62001, 65534)));
}

TEST(compute_desired_state, a_backend_without_a_source_gets_nothing) {
  const DesiredState state = desired(automatic_config(), {{ip("10.0.0.1"), std::nullopt}});
  for (const DesiredBackend& backend : state.services[0].backends) {
    EXPECT_FALSE(backend.reachable);
    EXPECT_FALSE(backend.eligible());
    EXPECT_EQ(backend.snat_pool, kNoSnatPool);
  }
  EXPECT_TRUE(state.snat_ranges.empty());
}

TEST(compute_desired_state, a_source_that_changes_is_a_new_structure) {
  const config::Config config = automatic_config();
  const SourceTable one = {{ip("10.0.0.1"), ip("10.0.0.250")}, {ip("10.0.0.2"), ip("10.0.0.250")}};
  SourceTable other = one;
  other[ip("10.0.0.2")] = ip("10.0.0.251");
  EXPECT_TRUE(same_structure(desired(config, one), desired(config, one)));
  EXPECT_FALSE(same_structure(desired(config, one), desired(config, other)));
}

}  // namespace
}  // namespace millrace::control
