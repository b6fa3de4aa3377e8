// vlan_interface.h: the kernel's side of a port with a VLAN: an interface of its own, on the device's, which has the
// addresses, routes and neighbours of the port.
// Thread: main lcore, at start.
// Fails:  std::runtime_error, one sentence with the remedy.
// Tests:  tests/unit/ports/vlan_interface_test.cpp, tests/unit/ports/port_open_test.cpp, tests/qemu/test_vlan.py,
//         tests/qemu/test_pci_vlan.py
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/ports/kernel_interface.h"

namespace millrace {

// The interface `configured`, or where that is empty the kernel's 802.1Q interface with this id on `device`.
KernelInterface find_vlan_interface(const std::string& device, uint16_t vlan, const std::string& configured);

// Makes it on the TAP of a pci port, up; the kernel removes it with the TAP. Its ifindex.
uint32_t make_vlan_interface(uint32_t tap_ifindex, uint16_t vlan, const std::string& name);

// XDP programs and AF_XDP sockets see the frame alone: makes the card leave the tag in it.
void leave_tags_in_frames(const KernelInterface& device);

}  // namespace millrace
