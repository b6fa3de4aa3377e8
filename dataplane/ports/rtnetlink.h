// rtnetlink.h: the kernel's addresses, routes, neighbours and VLANs as plain values, and the sockets they come by (libmnl).
// Thread: main lcore.
// Fails:  std::runtime_error when a socket or a dump fails; a message that makes no sense is skipped.
// Tests:  tests/unit/ports/rtnetlink_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/addr.h"

struct nlmsghdr;

namespace millrace {

struct KernelAddress {
  uint32_t ifindex = 0;
  IpAddr addr;
  bool usable = true;  // false: IPv6 duplicate detection still runs, or found one
};

struct KernelRoute {
  struct Hop {
    uint32_t ifindex = 0;
    std::optional<IpAddr> gateway;
    uint16_t weight = 1;
  };
  IpAddr prefix;
  uint8_t prefix_bits = 0;
  uint32_t metric = 0;
  std::vector<Hop> hops;  // dead ones left out; more than one: multipath
};

struct KernelNeighbour {
  uint32_t ifindex = 0;
  IpAddr addr;
  std::optional<MacAddr> mac;  // nullopt: not to be used now
};

struct KernelVlan {
  uint32_t ifindex = 0;
  std::string name;
  uint32_t device_ifindex = 0;  // of the interface that it is on
  uint16_t id = 0;
};

// nullopt for what forwarding has no use for: other families; of routes all but unicast ones of the main table.
std::optional<KernelAddress> parse_address(const nlmsghdr& message);
std::optional<KernelRoute> parse_route(const nlmsghdr& message);
std::optional<KernelNeighbour> parse_neighbour(const nlmsghdr& message);
std::optional<KernelVlan> parse_vlan(const nlmsghdr& message);  // of links those that are 802.1Q VLANs

class Rtnetlink {
 public:
  using OnMessage = std::function<void(const nlmsghdr&)>;

  // Notifications are heard from here on, so that a dump made later misses nothing.
  Rtnetlink();
  ~Rtnetlink();
  Rtnetlink(const Rtnetlink&) = delete;
  Rtnetlink& operator=(const Rtnetlink&) = delete;

  // Everything of one kind: RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH, RTM_GETLINK.
  void dump(uint16_t type, const OnMessage& on_message);

  // What has come since, `datagrams_max` at most. False: the kernel dropped some (ENOBUFS), so dump again.
  bool read_notifications(unsigned datagrams_max, const OnMessage& on_message);

  // Makes an 802.1Q interface and brings it up; its ifindex is the kernel's to choose. 0, or why not: an errno.
  int make_vlan(const KernelVlan& vlan);

  // Asks the kernel to resolve a neighbour, or to confirm one that it knows (NTF_USE). The answer is a notification.
  void ask_neighbour(uint32_t ifindex, const IpAddr& addr);

 private:
  struct Sockets;
  std::unique_ptr<Sockets> sockets_;
};

}  // namespace millrace
