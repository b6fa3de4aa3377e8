#include "controlplane/health/echo_socket.h"

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// RFC 792 and RFC 4443 section 4.1: both families have the same header; the token is data.
struct EchoPacket {
  uint8_t type = 0;
  uint8_t code = 0;
  Be16 checksum;
  Be16 identifier;
  Be16 number;
  uint64_t token = 0;
};
static_assert(sizeof(EchoPacket) == 16);

constexpr int kReceiveBufferBytes = 1 << 20;  // the answers of thousands of backends, while the loop does other things

// RFC 1071. IPv6's is the kernel's business.
Be16 checksum_of(const EchoPacket& packet) {
  std::array<uint16_t, sizeof packet / 2> words;
  std::memcpy(words.data(), &packet, sizeof packet);
  uint32_t sum = 0;
  for (const uint16_t word : words) sum += word;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return Be16{static_cast<uint16_t>(~sum)};
}

error_code last_error() { return {errno, boost::system::system_category()}; }

int protocol_of(Family family) { return family == Family::ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}; }

// A raw socket gets every ICMP message of the host: echo replies are enough.
void let_in_replies_alone(int descriptor, Family family) {
  if (family == Family::ipv4) {
    const icmp_filter filter{~(1u << ICMP_ECHOREPLY)};
    setsockopt(descriptor, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
    return;
  }
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
  setsockopt(descriptor, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
}

socklen_t fill_address(const IpAddr& addr, sockaddr_storage& storage) {
  storage = {};
  if (addr.is_ipv4()) {
    auto& to = reinterpret_cast<sockaddr_in&>(storage);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = addr.ipv4().raw;
    return sizeof to;
  }
  auto& to = reinterpret_cast<sockaddr_in6&>(storage);
  to.sin6_family = AF_INET6;
  std::memcpy(&to.sin6_addr, addr.bytes.data(), addr.bytes.size());
  return sizeof to;
}

IpAddr read_address(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET)
    return IpAddr::from_ipv4(Be32{reinterpret_cast<const sockaddr_in&>(storage).sin_addr.s_addr});
  IpAddr addr;
  std::memcpy(addr.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, addr.bytes.size());
  return addr;
}

}  // namespace

std::shared_ptr<EchoSocket> EchoSocket::open(const asio::any_io_executor& executor, Family family, error_code& error) {
  const int domain = family == Family::ipv4 ? AF_INET : AF_INET6;
  const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  bool raw = false;
  int descriptor = socket(domain, SOCK_DGRAM | flags, protocol_of(family));
  if (descriptor < 0 && (errno == EACCES || errno == EPERM || errno == EPROTONOSUPPORT)) {
    raw = true;
    descriptor = socket(domain, SOCK_RAW | flags, protocol_of(family));
  }
  if (descriptor < 0) {
    error = last_error();
    return nullptr;
  }
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
  if (raw) let_in_replies_alone(descriptor, family);
  return std::shared_ptr<EchoSocket>(new EchoSocket(executor, descriptor, family, raw));
}

EchoSocket::EchoSocket(const asio::any_io_executor& executor, int descriptor, Family family, bool raw)
    : descriptor_(executor, descriptor), family_(family), raw_(raw), random_(std::random_device{}()) {
  identifier_ = static_cast<uint16_t>(random_());
}

std::optional<uint16_t> EchoSocket::send(Echo& echo, error_code& error) {
  if (waiting_.size() > UINT16_MAX) {
    error = make_error_code(boost::system::errc::no_buffer_space);
    return std::nullopt;
  }
  while (waiting_.contains(next_number_)) ++next_number_;
  const uint16_t number = next_number_++;
  echo.token = random_();
  EchoPacket packet;
  packet.type = family_ == Family::ipv4 ? uint8_t{ICMP_ECHO} : uint8_t{ICMP6_ECHO_REQUEST};
  packet.identifier = Be16::from_host(identifier_);
  packet.number = Be16::from_host(number);
  packet.token = echo.token;
  if (family_ == Family::ipv4) packet.checksum = checksum_of(packet);
  sockaddr_storage to;
  const socklen_t length = fill_address(echo.to, to);
  if (sendto(descriptor_.native_handle(), &packet, sizeof packet, 0, reinterpret_cast<const sockaddr*>(&to), length) <
      0) {
    error = last_error();
    return std::nullopt;
  }
  waiting_.emplace(number, &echo);
  listen();
  return number;
}

// It listens only while somebody waits, so that it keeps no loop alive.
void EchoSocket::forget(uint16_t number) {
  waiting_.erase(number);
  if (waiting_.empty() && listening_) descriptor_.cancel();
}

void EchoSocket::listen() {
  if (listening_ || waiting_.empty()) return;
  listening_ = true;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, [weak = weak_from_this()](const error_code& error) {
    const std::shared_ptr<EchoSocket> self = weak.lock();
    if (!self) return;
    self->listening_ = false;
    if (!error) self->receive_all();
    self->listen();  // also after forget() stopped it: somebody may wait since then
  });
}

void EchoSocket::receive_all() {
  std::array<uint8_t, 2048> packet;
  sockaddr_storage from;
  while (true) {
    socklen_t length = sizeof from;
    const ssize_t bytes = recvfrom(descriptor_.native_handle(), packet.data(), packet.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return;
    size_t header = 0;
    if (raw_ && family_ == Family::ipv4) header = bytes > 0 ? (packet[0] & 0x0fu) * 4u : 0;
    if (header < static_cast<size_t>(bytes))
      take(read_address(from), packet.data() + header, static_cast<size_t>(bytes) - header);
  }
}

void EchoSocket::take(const IpAddr& from, const uint8_t* bytes, size_t count) {
  EchoPacket packet;
  if (count < sizeof packet) return;
  std::memcpy(&packet, bytes, sizeof packet);
  const uint8_t reply = family_ == Family::ipv4 ? uint8_t{ICMP_ECHOREPLY} : uint8_t{ICMP6_ECHO_REPLY};
  if (packet.type != reply || (raw_ && packet.identifier.host() != identifier_)) return;
  const auto found = waiting_.find(packet.number.host());
  if (found == waiting_.end() || found->second->token != packet.token || found->second->to != from) return;
  found->second->answered = true;
  found->second->waiter->cancel();
}

}  // namespace millrace::control
