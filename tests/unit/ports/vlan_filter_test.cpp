// vlan_filter_test.cpp: which drivers must be told of VLANs, and what is said of one that refuses.
#include "dataplane/ports/vlan_filter.h"

#include <gmock/gmock.h>
#include <rte_ethdev.h>

#include "tests/unit/ports/open_ports_fixture.h"

namespace millrace {
namespace {

rte_eth_dev_info driver(const char* name, uint64_t offloads = RTE_ETH_RX_OFFLOAD_VLAN_FILTER) {
  rte_eth_dev_info info{};
  info.driver_name = name;
  info.rx_offload_capa = offloads;
  return info;
}

TEST(Filters_vlans, virtio_and_virtual_functions_do) {
  for (const char* name : {"net_virtio", "net_iavf", "net_ixgbe_vf"}) EXPECT_TRUE(filters_vlans(driver(name))) << name;
}

TEST(Filters_vlans, cards_that_let_in_all_are_left_so) {
  for (const char* name : {"net_ixgbe", "net_i40e", "net_ice", "net_vmxnet3", "net"})
    EXPECT_FALSE(filters_vlans(driver(name))) << name;
  EXPECT_FALSE(filters_vlans(driver(nullptr)));
  EXPECT_FALSE(filters_vlans(driver("net_virtio", RTE_ETH_RX_OFFLOAD_VLAN_STRIP))) << "a host that filters nothing";
}

TEST_F(OpenPorts, VlanThatTheCardRefuses_IsNamed) {
  open({wanted("ring", "")});
  EXPECT_NO_THROW(admit_vlans(ports[0].dpdk_port, {0}));
  try {
    admit_vlans(ports[0].dpdk_port, {0, 100});
    ADD_FAILURE() << "a ring took a filter";
  } catch (const std::runtime_error& refusal) {
    EXPECT_THAT(refusal.what(), testing::HasSubstr("VLAN 100"));
  }
}

}  // namespace
}  // namespace millrace
