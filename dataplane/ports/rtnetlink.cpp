// rtnetlink.cpp: see the header.
#include "dataplane/ports/rtnetlink.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace millrace {

namespace {

// By attribute type; null where absent.
using Attributes = std::array<const nlattr*, 64>;

int keep_attribute(const nlattr* attribute, void* data) {
  const uint16_t type = mnl_attr_get_type(attribute);
  auto& attributes = *static_cast<Attributes*>(data);
  if (type < attributes.size()) attributes[type] = attribute;
  return MNL_CB_OK;
}

template <typename Header>
bool read_message(const nlmsghdr& message, Header& header, Attributes& attributes) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof header) return false;
  std::memcpy(&header, mnl_nlmsg_get_payload(&message), sizeof header);
  return mnl_attr_parse(&message, sizeof header, keep_attribute, &attributes) == MNL_CB_OK;
}

std::optional<IpAddr> read_ip(const void* data, size_t bytes) {
  if (bytes == sizeof(Be32)) {
    Be32 ipv4;
    std::memcpy(&ipv4.raw, data, sizeof ipv4.raw);
    return IpAddr::from_ipv4(ipv4);
  }
  if (bytes != sizeof(IpAddr)) return std::nullopt;
  IpAddr addr;
  std::memcpy(addr.bytes.data(), data, addr.bytes.size());
  return addr;
}

std::optional<IpAddr> read_ip(const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  return read_ip(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));
}

std::string read_string(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  const auto* text = static_cast<const char*>(mnl_attr_get_payload(attribute));
  return {text, strnlen(text, mnl_attr_get_payload_len(attribute))};
}

uint16_t read_u16(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != sizeof(uint16_t)) return 0;
  return mnl_attr_get_u16(attribute);
}

Attributes read_nested(const nlattr* attribute) {
  Attributes nested{};
  if (attribute != nullptr && mnl_attr_parse_nested(attribute, keep_attribute, &nested) != MNL_CB_OK) return {};
  return nested;
}

uint32_t read_u32(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != sizeof(uint32_t)) return 0;
  return mnl_attr_get_u32(attribute);
}

// RTA_VIA: a gateway of another family than the route's (IPv4 by an IPv6 neighbour, RFC 5549).
std::optional<IpAddr> read_gateway(const Attributes& attributes) {
  if (attributes[RTA_GATEWAY] != nullptr) return read_ip(attributes[RTA_GATEWAY]);
  const nlattr* via = attributes[RTA_VIA];
  if (via == nullptr || mnl_attr_get_payload_len(via) <= sizeof(uint16_t)) return std::nullopt;
  const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(via));
  return read_ip(bytes + sizeof(uint16_t), mnl_attr_get_payload_len(via) - sizeof(uint16_t));
}

bool is_unusable(unsigned hop_flags, const Attributes& attributes) {
  return (hop_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0 || attributes[RTA_ENCAP] != nullptr;
}

void read_multipath(const nlattr* multipath, std::vector<KernelRoute::Hop>& hops) {
  const auto* at = static_cast<const uint8_t*>(mnl_attr_get_payload(multipath));
  size_t left = mnl_attr_get_payload_len(multipath);
  rtnexthop hop{};
  while (left >= sizeof hop) {
    std::memcpy(&hop, at, sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > left) return;
    Attributes attributes{};
    if (mnl_attr_parse_payload(at + sizeof hop, hop.rtnh_len - sizeof hop, keep_attribute, &attributes) == MNL_CB_OK &&
        !is_unusable(hop.rtnh_flags, attributes))
      // The kernel counts weights from 0.
      hops.push_back({static_cast<uint32_t>(hop.rtnh_ifindex), read_gateway(attributes),
                      static_cast<uint16_t>(hop.rtnh_hops + 1)});
    const size_t step = std::min<size_t>(left, RTNH_ALIGN(hop.rtnh_len));
    at += step;
    left -= step;
  }
}

mnl_socket* open_socket(unsigned groups) {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (socket == nullptr || mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
    const int error = errno;
    if (socket != nullptr) mnl_socket_close(socket);
    throw std::runtime_error(std::string("cannot listen to the kernel (rtnetlink): ") + std::strerror(error));
  }
  return socket;
}

constexpr unsigned kGroups =
    RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
// A burst of route changes fits before the kernel has to drop some; only root gets it, the rest live with re-dumps.
constexpr int kReceiveBufferBytes = 4 << 20;
constexpr int kDumpTries = 5;  // when entries change under the dump the kernel says so, and the dump is not whole

int pass_on(const nlmsghdr* message, void* data) {
  (*static_cast<const Rtnetlink::OnMessage*>(data))(*message);
  return MNL_CB_OK;
}

}  // namespace

std::optional<KernelAddress> parse_address(const nlmsghdr& message) {
  ifaddrmsg header{};
  Attributes attributes{};
  if (!read_message(message, header, attributes)) return std::nullopt;
  if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return std::nullopt;
  // On a point-to-point link IFA_ADDRESS is the peer's.
  const nlattr* own = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  const std::optional<IpAddr> addr = read_ip(own);
  if (!addr) return std::nullopt;
  const uint32_t flags = attributes[IFA_FLAGS] != nullptr ? read_u32(attributes[IFA_FLAGS]) : header.ifa_flags;
  return KernelAddress{header.ifa_index, *addr, (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0};
}

std::optional<KernelRoute> parse_route(const nlmsghdr& message) {
  rtmsg header{};
  Attributes attributes{};
  if (!read_message(message, header, attributes)) return std::nullopt;
  const bool ipv4 = header.rtm_family == AF_INET;
  if ((!ipv4 && header.rtm_family != AF_INET6) || header.rtm_type != RTN_UNICAST) return std::nullopt;
  const uint32_t table = attributes[RTA_TABLE] != nullptr ? read_u32(attributes[RTA_TABLE]) : header.rtm_table;
  if (table != RT_TABLE_MAIN || (header.rtm_flags & RTM_F_CLONED) != 0 || header.rtm_tos != 0) return std::nullopt;
  if (header.rtm_src_len != 0 || header.rtm_dst_len > (ipv4 ? 32 : 128)) return std::nullopt;
  KernelRoute route;
  route.prefix = ipv4 ? IpAddr::from_ipv4(Be32{}) : IpAddr{};
  if (attributes[RTA_DST] != nullptr) {
    const std::optional<IpAddr> prefix = read_ip(attributes[RTA_DST]);
    if (!prefix || prefix->is_ipv4() != ipv4) return std::nullopt;
    route.prefix = *prefix;
  }
  route.prefix_bits = header.rtm_dst_len;
  route.metric = read_u32(attributes[RTA_PRIORITY]);
  if (attributes[RTA_MULTIPATH] != nullptr)
    read_multipath(attributes[RTA_MULTIPATH], route.hops);
  else if (attributes[RTA_OIF] != nullptr && !is_unusable(header.rtm_flags, attributes))
    route.hops.push_back({read_u32(attributes[RTA_OIF]), read_gateway(attributes)});
  return route;
}

std::optional<KernelNeighbour> parse_neighbour(const nlmsghdr& message) {
  ndmsg header{};
  Attributes attributes{};
  if (!read_message(message, header, attributes)) return std::nullopt;
  if (header.ndm_family != AF_INET && header.ndm_family != AF_INET6) return std::nullopt;
  const std::optional<IpAddr> addr = read_ip(attributes[NDA_DST]);
  if (!addr) return std::nullopt;
  KernelNeighbour neighbour{static_cast<uint32_t>(header.ndm_ifindex), *addr, std::nullopt};
  constexpr unsigned kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
  const nlattr* mac = attributes[NDA_LLADDR];
  if (message.nlmsg_type == RTM_NEWNEIGH && (header.ndm_state & kUsable) != 0 && mac != nullptr &&
      mnl_attr_get_payload_len(mac) == sizeof(MacAddr::bytes)) {
    neighbour.mac.emplace();
    std::memcpy(neighbour.mac->bytes.data(), mnl_attr_get_payload(mac), neighbour.mac->bytes.size());
  }
  return neighbour;
}

std::optional<KernelVlan> parse_vlan(const nlmsghdr& message) {
  ifinfomsg header{};
  Attributes attributes{};
  if (!read_message(message, header, attributes)) return std::nullopt;
  const Attributes info = read_nested(attributes[IFLA_LINKINFO]);
  if (read_string(info[IFLA_INFO_KIND]) != "vlan") return std::nullopt;
  const Attributes vlan = read_nested(info[IFLA_INFO_DATA]);
  const uint16_t tag_type = read_u16(vlan[IFLA_VLAN_PROTOCOL]);
  if (tag_type != 0 && tag_type != htons(ETH_P_8021Q)) return std::nullopt;
  KernelVlan found{static_cast<uint32_t>(header.ifi_index), read_string(attributes[IFLA_IFNAME]),
                   read_u32(attributes[IFLA_LINK]), read_u16(vlan[IFLA_VLAN_ID])};
  if (found.name.empty() || found.id == 0) return std::nullopt;
  return found;
}

// Three sockets, so that an answer never has to be told from a notification.
struct Rtnetlink::Sockets {
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  using Socket = std::unique_ptr<mnl_socket, Close>;
  Socket notifications{open_socket(kGroups)};
  Socket dumps{open_socket(0)};
  Socket requests{open_socket(0)};
  uint32_t sequence = 0;
  // The kernel fills datagrams of up to 32 KiB when the reader offers that much.
  std::array<char, 32768> buffer{};
};

Rtnetlink::Rtnetlink() : sockets_(std::make_unique<Sockets>()) {
  const int fd = mnl_socket_get_fd(sockets_->notifications.get());
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
}

Rtnetlink::~Rtnetlink() = default;

void Rtnetlink::dump(uint16_t type, const OnMessage& on_message) {
  mnl_socket* socket = sockets_->dumps.get();
  for (int tries = 1;; ++tries) {
    std::array<char, 64> request{};
    nlmsghdr* header = mnl_nlmsg_put_header(request.data());
    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    header->nlmsg_seq = ++sockets_->sequence;
    // The longest of all kinds' headers; family 0 is both.
    mnl_nlmsg_put_extra_header(header, sizeof(ifinfomsg));
    int state = mnl_socket_sendto(socket, header, header->nlmsg_len) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
    while (state > MNL_CB_STOP) {
      const ssize_t bytes = mnl_socket_recvfrom(socket, sockets_->buffer.data(), sockets_->buffer.size());
      state = bytes < 0 ? MNL_CB_ERROR
                        : mnl_cb_run(sockets_->buffer.data(), static_cast<size_t>(bytes), sockets_->sequence,
                                     mnl_socket_get_portid(socket), pass_on, const_cast<OnMessage*>(&on_message));
    }
    if (state == MNL_CB_STOP) return;
    const int error = errno;
    // Answers to this try that are still in the socket must not meet the next one.
    while (recv(mnl_socket_get_fd(socket), sockets_->buffer.data(), sockets_->buffer.size(), MSG_DONTWAIT) > 0) {
    }
    if (error != EINTR || tries == kDumpTries)
      throw std::runtime_error(std::string("the kernel does not tell its routes and addresses: ") +
                               std::strerror(error));
  }
}

bool Rtnetlink::read_notifications(unsigned datagrams_max, const OnMessage& on_message) {
  const int fd = mnl_socket_get_fd(sockets_->notifications.get());
  for (unsigned i = 0; i < datagrams_max; ++i) {
    const ssize_t bytes = recv(fd, sockets_->buffer.data(), sockets_->buffer.size(), MSG_DONTWAIT);
    if (bytes < 0) return errno != ENOBUFS;
    mnl_cb_run(sockets_->buffer.data(), static_cast<size_t>(bytes), 0, 0, pass_on, const_cast<OnMessage*>(&on_message));
  }
  return true;
}

int Rtnetlink::make_vlan(const KernelVlan& vlan) {
  mnl_socket* socket = sockets_->dumps.get();
  std::array<char, 256> request{};
  nlmsghdr* header = mnl_nlmsg_put_header(request.data());
  header->nlmsg_type = RTM_NEWLINK;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
  header->nlmsg_seq = ++sockets_->sequence;
  auto* link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(header, sizeof(ifinfomsg)));
  link->ifi_flags = link->ifi_change = IFF_UP;
  mnl_attr_put_u32(header, IFLA_LINK, vlan.device_ifindex);
  mnl_attr_put_strz(header, IFLA_IFNAME, vlan.name.c_str());
  nlattr* info = mnl_attr_nest_start(header, IFLA_LINKINFO);
  mnl_attr_put_strz(header, IFLA_INFO_KIND, "vlan");
  nlattr* data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
  mnl_attr_put_u16(header, IFLA_VLAN_ID, vlan.id);
  mnl_attr_nest_end(header, data);
  mnl_attr_nest_end(header, info);
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0) return errno;
  const ssize_t bytes = mnl_socket_recvfrom(socket, sockets_->buffer.data(), sockets_->buffer.size());
  if (bytes < 0) return errno;
  const int state = mnl_cb_run(sockets_->buffer.data(), static_cast<size_t>(bytes), sockets_->sequence,
                               mnl_socket_get_portid(socket), nullptr, nullptr);
  return state == MNL_CB_ERROR ? errno : 0;
}

void Rtnetlink::ask_neighbour(uint32_t ifindex, const IpAddr& addr) {
  std::array<char, 128> request{};
  nlmsghdr* header = mnl_nlmsg_put_header(request.data());
  header->nlmsg_type = RTM_NEWNEIGH;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
  header->nlmsg_seq = ++sockets_->sequence;
  auto* neighbour = static_cast<ndmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(ndmsg)));
  neighbour->ndm_family = addr.is_ipv4() ? AF_INET : AF_INET6;
  neighbour->ndm_ifindex = static_cast<int>(ifindex);
  neighbour->ndm_state = NUD_NONE;
  neighbour->ndm_flags = NTF_USE;
  const size_t first = addr.is_ipv4() ? 12 : 0;
  mnl_attr_put(header, NDA_DST, addr.bytes.size() - first, addr.bytes.data() + first);
  // Refusals (a full neighbour table, a vanished interface) come back as messages: the asking is repeated anyway.
  const int fd = mnl_socket_get_fd(sockets_->requests.get());
  while (recv(fd, sockets_->buffer.data(), sockets_->buffer.size(), MSG_DONTWAIT) > 0) {
  }
  mnl_socket_sendto(sockets_->requests.get(), header, header->nlmsg_len);
}

}  // namespace millrace
