// veth_pair.cpp: see the header.
#include "tests/unit/ports/veth_pair.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace millrace {

namespace {

int open_namespace() {
  const std::string path = "/proc/self/task/" + std::to_string(gettid()) + "/ns/net";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw std::runtime_error("cannot open " + path);
  return fd;
}

int make_namespace() {
  if (unshare(CLONE_NEWNET) != 0)
    throw std::runtime_error(std::string("no network namespace (run as root): ") + std::strerror(errno));
  return open_namespace();
}

void enter(int fd) {
  if (setns(fd, CLONE_NEWNET) != 0) throw std::runtime_error("cannot enter a network namespace");
}

}  // namespace

VethPair::VethPair() : before_(open_namespace()) {
  there_ = make_namespace();
  here_ = make_namespace();
  run("ip link set lo up");
  run("ip link add here type veth peer name there netns /proc/" + std::to_string(getpid()) + "/fd/" +
      std::to_string(there_));
  const auto set_up = [this](const char* name, const char* host) {
    const std::string interface = name;
    run("sysctl -qw net.ipv6.conf." + interface + ".accept_dad=0");
    run("ethtool -K " + interface + " tx off rx off gro off gso off tso off > /dev/null");
    run("ip addr add 10.77.0." + std::string(host) + "/24 dev " + interface);
    run("ip addr add fd77::" + std::string(host) + "/64 dev " + interface + " nodad");
    run("ip link set " + interface + " up");
  };
  set_up(kHere, "1");
  in_there([&] {
    run("ip link set lo up");
    set_up(kThere, "2");
  });
  // The carrier comes a moment after the peer is up.
  run("for i in $(seq 60); do ip link show here | grep -q 'state UP' && exit 0; sleep 0.05; done; exit 1");
}

VethPair::~VethPair() {
  enter(before_);
  for (const int fd : {before_, here_, there_}) close(fd);
}

void VethPair::run(const std::string& command) const {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

void VethPair::run_there(const std::string& command) const {
  in_there([&] { run(command); });
}

void VethPair::in_there(const std::function<void()>& what) const {
  enter(there_);
  what();
  enter(here_);
}

void flood_neighbours(const VethPair& net) {
  const std::string file = "/tmp/millrace-neighbours." + std::to_string(getpid());
  net.run(
      "for i in $(seq 1 80); do for j in $(seq 1 254); do echo neigh add 10.77.$i.$j lladdr 02:00:00:00:00:01 dev here"
      " nud permanent; done; done > " +
      file + " && ip -batch " + file + "; rm " + file);
}

RawSocket::RawSocket(const std::string& interface) : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  const int ignore = 1;
  setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof ignore);
  if (fd_ < 0 || bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("no raw socket on " + interface);
}

RawSocket::~RawSocket() { close(fd_); }

void RawSocket::send(const std::string& frame) const {
  if (::send(fd_, frame.data(), frame.size(), 0) != static_cast<ssize_t>(frame.size()))
    throw std::runtime_error("cannot send a frame");
}

std::string RawSocket::receive(int timeout_ms, const std::function<bool(const std::string&)>& wanted) const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (std::chrono::steady_clock::now() < end) {
    pollfd ready{fd_, POLLIN, 0};
    if (poll(&ready, 1, 10) <= 0) continue;
    std::array<char, 2048> frame{};
    const ssize_t bytes = recv(fd_, frame.data(), frame.size(), MSG_DONTWAIT);
    if (bytes <= 0) continue;
    std::string text(frame.data(), static_cast<size_t>(bytes));
    if (wanted(text)) return text;
  }
  return {};
}

}  // namespace millrace
