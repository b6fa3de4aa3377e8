// vlan_filter.h: cards that let in no frame of a VLAN before they are told its id: virtio, and virtual functions, whose host
// filters for them. All other drivers of DPDK let in all VLANs while nobody asks them to filter.
// Thread: main lcore, at start.
// Tests:  tests/unit/ports/vlan_filter_test.cpp, tests/qemu/test_pci_vlan.py
#pragma once

#include <cstdint>
#include <vector>

struct rte_eth_dev_info;

namespace millrace {

// Such a card: it has to be configured with RTE_ETH_RX_OFFLOAD_VLAN_FILTER.
bool filters_vlans(const rte_eth_dev_info& info);

// Tells it the ids; 0 are frames whose tag names no VLAN. The port is started.
// Fails:  std::runtime_error, one sentence with the remedy; not for 0, which some cards let in untold and refuse to be told.
void admit_vlans(uint16_t dpdk_port, const std::vector<uint16_t>& vlans);

}  // namespace millrace
