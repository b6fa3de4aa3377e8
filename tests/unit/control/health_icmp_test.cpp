// health_icmp_test.cpp: kind = "icmp" with the kernel's own answers on the loopback.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <thread>

#include "controlplane/health/icmp_probe.h"
#include "tests/unit/control/probe_peers.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

config::HealthcheckConfig icmp() { return {.kind = config::CheckKind::icmp}; }

bool may_send(Family family) {
  boost::asio::io_context context;
  boost::system::error_code error;
  return EchoSocket::open(context.get_executor(), family, error) != nullptr;
}

TEST(IcmpProbe_run, answered) {
  if (!may_send(Family::ipv4)) GTEST_SKIP() << "neither net.ipv4.ping_group_range nor CAP_NET_RAW";
  const Asked asked = ask(icmp(), loopback(0));
  EXPECT_EQ(asked.result.outcome, ProbeOutcome::passed) << asked.result.cause;
  EXPECT_EQ(asked.result.cause, "answered the echo request");
}

TEST(IcmpProbe_run, answered_ipv6) {
  if (!may_send(Family::ipv6) || !std::ifstream("/proc/net/if_inet6")) GTEST_SKIP() << "no IPv6 here";
  const Asked asked = ask(icmp(), {parse_ip("::1").value(), {}});
  if (asked.result.cause == "Cannot assign requested address" || asked.result.cause == "Network is unreachable")
    GTEST_SKIP() << "no IPv6 loopback here";
  EXPECT_EQ(asked.result.outcome, ProbeOutcome::passed) << asked.result.cause;
}

// A network of this thread's own whose kernel answers no echo request.
bool enter_silent_network() {
  if (unshare(CLONE_NEWNET) != 0) return false;
  const int any = socket(AF_INET, SOCK_DGRAM, 0);
  ifreq loopback_up{};
  std::strcpy(loopback_up.ifr_name, "lo");
  loopback_up.ifr_flags = IFF_UP;
  const bool up = ioctl(any, SIOCSIFFLAGS, &loopback_up) == 0;
  close(any);
  std::ofstream ignore("/proc/sys/net/ipv4/icmp_echo_ignore_all");
  return up && (ignore << 1).flush();
}

TEST(IcmpProbe_run, silence) {
  std::optional<Asked> asked;
  std::thread([&asked] {
    if (enter_silent_network()) asked = ask(icmp(), loopback(0), milliseconds(150));
  }).join();
  if (!asked) GTEST_SKIP() << "needs root";
  EXPECT_EQ(asked->result.outcome, ProbeOutcome::failed);
  EXPECT_EQ(asked->result.cause, "no answer within 150 ms");
  EXPECT_GE(asked->took, milliseconds(140));
  EXPECT_LT(asked->took, milliseconds(1500));
}

TEST(IcmpProbe_run, each_answer_finds_its_own) {
  if (!may_send(Family::ipv4)) GTEST_SKIP() << "neither net.ipv4.ping_group_range nor CAP_NET_RAW";
  boost::asio::io_context loop;
  const std::shared_ptr<Probe> probe = make_probes(loop.get_executor())(icmp());
  unsigned passed = 0;
  for (unsigned i = 1; i <= 2000; ++i) {
    const IpAddr addr = IpAddr::from_ipv4(Be32{htonl(0x7f00'0000 + i)});
    boost::asio::co_spawn(loop, probe->run({addr, {}}, std::chrono::seconds(10)),
                          [&](std::exception_ptr, const ProbeResult& result) {
                            if (result.outcome == ProbeOutcome::passed) ++passed;
                          });
  }
  loop.run();
  EXPECT_EQ(passed, 2000u);
}

}  // namespace
}  // namespace millrace::control
