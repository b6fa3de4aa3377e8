// paced_connection.cpp: see the header.
#include "perf/lab.d/paced_connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

namespace millrace::perf {
namespace {

constexpr int kConnectSeconds = 3;  // a lost SYN is sent again after one
constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: lab\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 ";
constexpr std::string_view kLength = "\r\nContent-Length: ";

// The socket address of `target`; returns its length.
socklen_t fill(const Endpoint& target, sockaddr_storage& storage) {
  storage = {};
  if (target.addr.is_ipv4()) {
    sockaddr_in addr{.sin_family = AF_INET, .sin_port = target.port.raw};
    addr.sin_addr.s_addr = target.addr.ipv4().raw;
    std::memcpy(&storage, &addr, sizeof addr);
    return sizeof addr;
  }
  sockaddr_in6 addr{.sin6_family = AF_INET6, .sin6_port = target.port.raw};
  std::memcpy(&addr.sin6_addr, target.addr.bytes.data(), sizeof addr.sin6_addr);
  std::memcpy(&storage, &addr, sizeof addr);
  return sizeof addr;
}

}  // namespace

bool PacedConnection::open() {
  close();
  sockaddr_storage storage;
  const socklen_t length = fill(target_, storage);
  fd_ = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return false;
  const timeval limit{.tv_sec = kConnectSeconds, .tv_usec = 0};  // bounds connect() too
  const int on = 1;
  if (setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
      setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
      connect(fd_, reinterpret_cast<sockaddr*>(&storage), length) == 0 && fcntl(fd_, F_SETFL, O_NONBLOCK) == 0)
    return true;
  close();
  return false;
}

void PacedConnection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  due_ns_ = 0;
  answer_.clear();
}

bool PacedConnection::send(int64_t due_ns) {
  due_ns_ = due_ns;
  return ::send(fd_, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kRequest.size());
}

bool PacedConnection::is_whole() const {
  const size_t head_bytes = answer_.find("\r\n\r\n");
  const size_t length_at = answer_.find(kLength);
  if (head_bytes == std::string::npos || length_at > head_bytes) return false;
  size_t body_bytes = 0;
  const char* digits = answer_.data() + length_at + kLength.size();
  std::from_chars(digits, answer_.data() + head_bytes, body_bytes);
  return answer_.size() >= head_bytes + 4 + body_bytes;
}

PacedConnection::Progress PacedConnection::receive() {
  char part[4096];
  const ssize_t bytes = recv(fd_, part, sizeof part, 0);
  if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return Progress::partial;
  if (bytes <= 0 || !is_waiting()) return Progress::broken;
  answer_.append(part, static_cast<size_t>(bytes));
  if (!is_whole()) return Progress::partial;
  const bool ok = answer_.starts_with(kOk);
  answer_.clear();
  return ok ? Progress::answered : Progress::broken;
}

}  // namespace millrace::perf
