#include "controlplane/config/host_routes.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>

namespace millrace::config {

namespace {

constexpr uint16_t kDiscardPort = 9;

class Socket {
 public:
  explicit Socket(int family) : fd_(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  template <typename Address>
  bool connect_and_name(Address& address) {
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    if (fd_ < 0 || connect(fd_, to, sizeof address) != 0) return false;
    socklen_t bytes = sizeof address;
    return getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &bytes) == 0;
  }

 private:
  int fd_;
};

std::optional<IpAddr> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET)
    return IpAddr::from_ipv4(Be32{reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr});
  if (address->sa_family != AF_INET6) return std::nullopt;
  IpAddr ip;
  std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, ip.bytes.size());
  return ip;
}

}  // namespace

std::optional<IpAddr> kernel_source(const IpAddr& towards) {
  if (towards.is_ipv4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kDiscardPort);
    address.sin_addr.s_addr = towards.ipv4().raw;
    if (!Socket(AF_INET).connect_and_name(address)) return std::nullopt;
    return IpAddr::from_ipv4(Be32{address.sin_addr.s_addr});
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(kDiscardPort);
  std::memcpy(&address.sin6_addr, towards.bytes.data(), towards.bytes.size());
  if (!Socket(AF_INET6).connect_and_name(address)) return std::nullopt;
  IpAddr source;
  std::memcpy(source.bytes.data(), &address.sin6_addr, source.bytes.size());
  return source;
}

std::string interface_of(const IpAddr& own) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> list(all, &freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next)
    if (address_of(one->ifa_addr) == own) return one->ifa_name;
  return {};
}

}  // namespace millrace::config
