// kernel_interface.cpp: see the header.
#include "dataplane/ports/kernel_interface.h"

#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace millrace {

namespace {

class IoctlSocket {
 public:
  explicit IoctlSocket(const std::string& interface) : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) throw std::runtime_error(std::string("cannot open a socket: ") + std::strerror(errno));
    interface.copy(request_.ifr_name, sizeof request_.ifr_name - 1);
  }
  ~IoctlSocket() { close(fd_); }
  IoctlSocket(const IoctlSocket&) = delete;
  IoctlSocket& operator=(const IoctlSocket&) = delete;

  bool ask(unsigned long what) { return ioctl(fd_, what, &request_) == 0; }
  bool ask_ethtool(void* command) {
    request_.ifr_data = static_cast<char*>(command);
    return ask(SIOCETHTOOL);
  }
  const ifreq& answer() const { return request_; }

 private:
  int fd_;
  ifreq request_{};
};

uint16_t read_combined_queue_count(IoctlSocket& socket) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (!socket.ask_ethtool(&channels) || channels.combined_count == 0) return 1;
  return static_cast<uint16_t>(channels.combined_count);
}

std::string read_driver(IoctlSocket& socket) {
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  return socket.ask_ethtool(&driver) ? std::string(driver.driver, strnlen(driver.driver, sizeof driver.driver)) : "";
}

// ETH_FLAG_…; none where the driver does not say.
uint32_t read_flags(IoctlSocket& socket) {
  ethtool_value flags{};
  flags.cmd = ETHTOOL_GFLAGS;
  return socket.ask_ethtool(&flags) ? flags.data : 0;
}

[[noreturn]] void throw_errno(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

}  // namespace

KernelInterface read_kernel_interface(const std::string& name) {
  KernelInterface interface;
  interface.name = name;
  interface.ifindex = if_nametoindex(name.c_str());
  if (name.size() >= IFNAMSIZ || interface.ifindex == 0)
    throw std::runtime_error("interface " + name + " does not exist; `ip link` shows those that do");
  IoctlSocket socket(name);
  if (!socket.ask(SIOCGIFFLAGS)) throw_errno("cannot read the state of " + name);
  if ((socket.answer().ifr_flags & IFF_UP) == 0)
    throw std::runtime_error("interface " + name + " is down; bring it up with `ip link set dev " + name + " up`");
  if (!socket.ask(SIOCGIFHWADDR)) throw_errno("cannot read the MAC address of " + name);
  if (socket.answer().ifr_hwaddr.sa_family != ARPHRD_ETHER)
    throw std::runtime_error("interface " + name + " is no Ethernet interface; name one that is (`ip link`)");
  std::memcpy(interface.mac.bytes.data(), socket.answer().ifr_hwaddr.sa_data, interface.mac.bytes.size());
  if (!socket.ask(SIOCGIFMTU)) throw_errno("cannot read the MTU of " + name);
  interface.mtu_bytes = static_cast<uint16_t>(std::min(socket.answer().ifr_mtu, 65535));
  interface.combined_queue_count = read_combined_queue_count(socket);
  interface.driver = read_driver(socket);
  const uint32_t flags = read_flags(socket);
  interface.receives_merged = (flags & ETH_FLAG_LRO) != 0;
  interface.strips_tags = (flags & ETH_FLAG_RXVLAN) != 0;
  return interface;
}

bool stop_stripping_tags(const std::string& name) {
  IoctlSocket socket(name);
  ethtool_value flags{};
  flags.cmd = ETHTOOL_SFLAGS;
  flags.data = read_flags(socket) & ~uint32_t{ETH_FLAG_RXVLAN};
  return socket.ask_ethtool(&flags) && (read_flags(socket) & ETH_FLAG_RXVLAN) == 0;
}

int hold_all_multicast(const KernelInterface& interface) {
  // Protocol 0: this socket receives nothing.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  packet_mreq membership{};
  membership.mr_ifindex = static_cast<int>(interface.ifindex);
  membership.mr_type = PACKET_MR_ALLMULTI;
  if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    throw_errno("cannot make " + interface.name + " receive all multicast (root is needed)");
  }
  return fd;
}

int hold_interface(const std::string& name) {
  // An abstract name belongs to the network namespace, as the interface does, and vanishes with the process.
  const std::string path = "millrace/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path + 1, sizeof address.sun_path - 2);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), bytes) == 0) return fd;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (error == EADDRINUSE)
    throw std::runtime_error("another millrace-dataplane is using interface " + name +
                             "; stop it first (`pgrep -a millrace-data` shows it)");
  errno = error;
  throw_errno("cannot reserve interface " + name);
}

void drop_outgoing_packets(const KernelInterface& interface) {
  // A filter and not PACKET_IGNORE_OUTGOING: that one has no effect on the members of a fanout group.
  sock_filter program[] = {
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING},
      {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, 0xffffffff},
  };
  const sock_fprog filter{4, program};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    sockaddr_ll address{};
    socklen_t bytes = sizeof address;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0 || address.sll_family != AF_PACKET ||
        address.sll_ifindex != static_cast<int>(interface.ifindex))
      continue;
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
      throw_errno("cannot keep this host's own packets out of " + interface.name);
  }
}

}  // namespace millrace
