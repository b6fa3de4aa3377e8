// vlan_filter.cpp: see the header.
#include "dataplane/ports/vlan_filter.h"

#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

namespace millrace {

namespace {

constexpr std::string_view kFilteringDrivers[] = {"net_virtio",   "net_iavf",    "net_e1000_igb_vf",
                                                  "net_ixgbe_vf", "net_hns3_vf", "net_txgbe_vf"};

}  // namespace

bool filters_vlans(const rte_eth_dev_info& info) {
  return (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0 && info.driver_name != nullptr &&
         std::ranges::find(kFilteringDrivers, info.driver_name) != std::end(kFilteringDrivers);
}

void admit_vlans(uint16_t dpdk_port, const std::vector<uint16_t>& vlans) {
  for (const uint16_t vlan : vlans) {
    const int error = rte_eth_dev_vlan_filter(dpdk_port, vlan, 1);
    if (error != 0 && vlan != 0)
      throw std::runtime_error("the card does not let in VLAN " + std::to_string(vlan) + ": " + rte_strerror(-error) +
                               "; a virtual function needs its host's leave (`ip link set dev CARD vf N trust on`)");
  }
}

}  // namespace millrace
