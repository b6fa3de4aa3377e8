// vlan_interface.cpp: see the header.
#include "dataplane/ports/vlan_interface.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "dataplane/ports/rtnetlink.h"

namespace millrace {

namespace {

std::string name_of_vlan(const std::string& device, uint16_t vlan) {
  const uint32_t device_ifindex = if_nametoindex(device.c_str());
  std::string name;
  Rtnetlink().dump(RTM_GETLINK, [&](const nlmsghdr& message) {
    const std::optional<KernelVlan> found = parse_vlan(message);
    if (found && found->device_ifindex == device_ifindex && found->id == vlan) name = found->name;
  });
  return name;
}

}  // namespace

KernelInterface find_vlan_interface(const std::string& device, uint16_t vlan, const std::string& configured) {
  if (!configured.empty()) return read_kernel_interface(configured);
  const std::string name = name_of_vlan(device, vlan);
  const std::string id = std::to_string(vlan);
  if (name.empty())
    throw std::runtime_error(
        "the kernel has no VLAN " + id + " on " + device + "; make it with `ip link add link " + device + " name " +
        device + "." + id + " type vlan id " + id +
        "` and give it the addresses of this host, or name another of its interfaces in `interface`");
  return read_kernel_interface(name);
}

uint32_t make_vlan_interface(uint32_t tap_ifindex, uint16_t vlan, const std::string& name) {
  const int error = Rtnetlink().make_vlan({.name = name, .device_ifindex = tap_ifindex, .id = vlan});
  if (error == EOPNOTSUPP)
    throw std::runtime_error("the kernel has no VLANs, and so none for interface " + name +
                             "; load them with `modprobe 8021q`");
  if (error == EEXIST)
    throw std::runtime_error("an interface " + name + " is there already; remove it with `ip link delete dev " + name +
                             "`, or name another in `interface`");
  if (error != 0) throw std::runtime_error("the kernel makes no VLAN interface " + name + ": " + std::strerror(error));
  return if_nametoindex(name.c_str());
}

void leave_tags_in_frames(const KernelInterface& device) {
  if (device.driver == "veth") {
    // Its tag stays beside the frame until a stack takes it, unless the sender has put it in; nothing at this end tells.
    spdlog::info(
        "{} is a veth: VLANs need `ethtool -K PEER txvlan off` at its other end, where that sends by its kernel",
        device.name);
    return;
  }
  if (!device.strips_tags) return;
  if (!stop_stripping_tags(device.name))
    throw std::runtime_error(
        "interface " + device.name +
        " takes VLAN tags off the frames, and its driver does not stop it when told; try `ethtool -K " + device.name +
        " rxvlan off`, or use af_packet:" + device.name);
  spdlog::info("{}: VLAN tags stay in received frames now (ethtool: rxvlan off), for AF_XDP sees nothing else",
               device.name);
}

}  // namespace millrace
