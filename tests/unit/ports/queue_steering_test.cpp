// queue_steering_test.cpp: what a port is asked to do by what its driver says, and what the driver then has.
#include "dataplane/ports/queue_steering.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

#include "tests/unit/ports/open_ports_fixture.h"

namespace millrace {
namespace {

using config::SteeringWish;
using testing::AllOf;
using testing::HasSubstr;

// A NIC that can do everything.
rte_eth_dev_info able() {
  rte_eth_dev_info info{};
  info.flow_type_rss_offloads = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV4;
  info.hash_key_size = 52;
  info.reta_size = 512;
  return info;
}

config::PortConfig four_queues(SteeringWish wish = SteeringWish::automatic) {
  config::PortConfig config;
  config.queues = 4;
  config.steering = wish;
  return config;
}

SteeringReason reason_for(const rte_eth_dev_info& info) {
  const PortSteering steering = choose_steering(info, true, four_queues(), 4);
  EXPECT_EQ(steering.kind, SteeringKind::handover);
  return steering.reason;
}

TEST(choose_steering, takes_rss_where_the_driver_has_all_it_takes) {
  const PortSteering steering = choose_steering(able(), true, four_queues(SteeringWish::rss), 4);
  EXPECT_EQ(steering.kind, SteeringKind::rss);
  EXPECT_EQ(steering.reason, SteeringReason::settings_taken);
  EXPECT_EQ(steering.reta_size, 512);
  EXPECT_EQ(steering.rss_key_bytes, 52);
}

TEST(choose_steering, names_what_is_missing) {
  rte_eth_dev_info info = able();
  info.flow_type_rss_offloads = RTE_ETH_RSS_IPV4;
  EXPECT_EQ(reason_for(info), SteeringReason::no_port_hash);
  info = able();
  info.hash_key_size = 39;
  EXPECT_EQ(reason_for(info), SteeringReason::key_too_short);
  info = able();
  info.reta_size = 0;
  EXPECT_EQ(reason_for(info), SteeringReason::no_table);
  info.reta_size = 96;
  EXPECT_EQ(reason_for(info), SteeringReason::odd_table);
}

TEST(choose_steering, a_driver_that_names_no_key_size_gets_ours) {
  rte_eth_dev_info info = able();
  info.hash_key_size = 0;
  EXPECT_EQ(choose_steering(info, true, four_queues(), 4).rss_key_bytes, kRssKeyBytes);
}

TEST(choose_steering, needs_several_workers_queues_and_a_device_that_chooses) {
  EXPECT_EQ(choose_steering(able(), true, four_queues(), 1).kind, SteeringKind::none);
  EXPECT_EQ(choose_steering(able(), true, four_queues(SteeringWish::rss), 1).kind, SteeringKind::none);
  EXPECT_EQ(choose_steering(able(), false, four_queues(), 4).reason, SteeringReason::no_settings);
  config::PortConfig config = four_queues();
  config.queues = 1;
  EXPECT_EQ(choose_steering(able(), true, config, 4).reason, SteeringReason::one_queue);
}

TEST(choose_steering, obeys_the_configuration) {
  EXPECT_EQ(choose_steering(able(), true, four_queues(SteeringWish::handover), 4).reason, SteeringReason::configured);
  rte_eth_dev_info info = able();
  info.reta_size = 0;
  try {
    choose_steering(info, true, four_queues(SteeringWish::rss), 4);
    FAIL() << "not refused";
  } catch (const std::runtime_error& refusal) {
    EXPECT_THAT(refusal.what(), AllOf(HasSubstr("no RSS table"), HasSubstr("remove steering = \"rss\"")));
  }
}

class EmulatedPort : public OpenPorts {
 protected:
  ~EmulatedPort() override { close(); }

  static config::PortConfig emulated(config::NicEmulation emulation, SteeringWish wish = SteeringWish::automatic) {
    config::PortConfig config =
        wanted("memif", testing::TempDir() + "millrace-steering-" + std::to_string(getpid()) + ".sock", 4);
    config.emulation = emulation;
    config.steering = wish;
    return config;
  }
  std::array<uint16_t, kRetaSize> table() const {
    std::array<rte_eth_rss_reta_entry64, 2> groups{};
    for (rte_eth_rss_reta_entry64& group : groups) group.mask = UINT64_MAX;
    EXPECT_EQ(rte_eth_dev_rss_reta_query(ports[0].dpdk_port, groups.data(), kRetaSize), 0);
    std::array<uint16_t, kRetaSize> queues{};
    for (unsigned entry = 0; entry < kRetaSize; ++entry) queues[entry] = groups[entry / 64].reta[entry % 64];
    return queues;
  }
};

TEST_F(EmulatedPort, has_our_key_and_a_queue_of_the_owner_for_each_hash) {
  const std::vector<uint8_t> reta = {3, 3, 0, 1, 2};
  Owner owner(4, reta);
  ports = open_ports({emulated(config::NicEmulation::rss, SteeringWish::rss)}, owner, pool);
  EXPECT_EQ(ports[0].steering.kind, SteeringKind::rss);
  EXPECT_EQ(ports[0].steering.reta_size, kRetaSize);
  EXPECT_EQ(ports[0].device, "emulated_nic:rss,memif:" + emulated({}).device_arg);
  std::array<uint8_t, 64> key{};
  rte_eth_rss_conf conf{.rss_key = key.data(), .rss_key_len = key.size(), .rss_hf = 0};
  ASSERT_EQ(rte_eth_dev_rss_hash_conf_get(ports[0].dpdk_port, &conf), 0);
  EXPECT_TRUE(std::equal(kRssKey.begin(), kRssKey.end(), key.begin()));
  const auto queues = table();
  for (unsigned entry = 0; entry < kRetaSize; ++entry)
    EXPECT_EQ(ports[0].queue_owner[queues[entry]], owner.of_hash(entry)) << entry;
}

TEST_F(EmulatedPort, hashes_whose_owner_has_no_queue_go_to_all) {
  Owner owner(8, {});
  ports = open_ports({emulated(config::NicEmulation::rss)}, owner, pool);
  const auto queues = table();
  std::array<unsigned, 4> strays{};
  for (unsigned entry = 0; entry < kRetaSize; ++entry) {
    if (raw(owner.of_hash(entry)) < 4) {
      EXPECT_EQ(ports[0].queue_owner[queues[entry]], owner.of_hash(entry)) << entry;
    } else {
      ++strays[queues[entry]];
    }
  }
  EXPECT_THAT(strays, testing::Each(16));
}

TEST_F(EmulatedPort, without_settings_is_left_to_handover) {
  open({emulated(config::NicEmulation::plain)}, 4);
  EXPECT_EQ(ports[0].steering.kind, SteeringKind::handover);
  EXPECT_EQ(ports[0].steering.reason, SteeringReason::no_settings);
  close();
  EXPECT_THAT(refusal({emulated(config::NicEmulation::plain, SteeringWish::rss)}, 4),
              AllOf(HasSubstr("port test"), HasSubstr("cannot steer by RSS")));
}

}  // namespace
}  // namespace millrace
